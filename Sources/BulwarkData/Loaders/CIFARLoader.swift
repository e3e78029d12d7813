import BulwarkTensor

/// The binary versions of CIFAR-10 and CIFAR-100 (A. Krizhevsky, 2009).
///
/// A record is its label bytes (CIFAR-10: one; CIFAR-100: coarse, then fine) and 3,072 pixel bytes,
/// channel by channel. CIFAR-100's fine labels are used.
struct CIFARLoader {
  /// `.cifar10` or `.cifar100`.
  let kind: DataKind

  static let pixelBytes = 3 * 32 * 32

  private var labelBytes: Int { kind == .cifar10 ? 1 : 2 }
  private var classCount: Int { kind == .cifar10 ? 10 : 100 }
  private var recordBytes: Int { labelBytes + Self.pixelBytes }
  private var nameFile: String { kind == .cifar10 ? "batches.meta.txt" : "fine_label_names.txt" }
  private var trainFiles: [String] {
    kind == .cifar10 ? (1...5).map { "data_batch_\($0).bin" } : ["train.bin"]
  }
  private var testFile: String { kind == .cifar10 ? "test_batch.bin" : "test.bin" }

  /// CIFAR-10's classes, for folders without `batches.meta.txt`.
  static let cifar10Names = [
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
  ]

  func load(_ folder: String, options: DataOptions) throws -> DataBundle {
    var warnings: [String] = []
    let names = try classNames(folder, &warnings)
    let present = trainFiles.filter { FileBytes.exists(FolderScanner.join(folder, $0)) }
    guard !present.isEmpty else {
      throw DataError.missing(path: FolderScanner.join(folder, trainFiles[0]))
    }
    let absent = trainFiles.filter { !present.contains($0) }
    if !absent.isEmpty {
      warnings.append("these training files are missing: \(absent.joined(separator: ", "))")
    }
    let train = try read(
      present.map { FolderScanner.join(folder, $0) }, names: names, options, &warnings)
    let testPath = FolderScanner.join(folder, testFile)
    var test: ImageDataset?
    if FileBytes.exists(testPath) {
      test = try read([testPath], names: names, options, &warnings)
    } else {
      warnings.append("there is no test set: '\(testPath)' is missing")
    }
    return try BundleAssembly.bundle(
      train: train, test: test, kind: kind, path: folder, options: options, warnings: warnings)
  }

  private func read(
    _ paths: [String], names: [String], _ options: DataOptions, _ warnings: inout [String]
  ) throws -> ImageDataset {
    var counts: [Int] = []
    for path in paths {
      let size = try FileBytes.size(path)
      let rest = size % recordBytes
      guard size >= recordBytes, rest == 0 || options.skipBad else {
        throw DataError.wrongFormat(
          path: path, expected: "a multiple of \(recordBytes) bytes (one \(kind.rawValue) record)",
          found: "\(size) bytes")
      }
      if rest != 0 { warnings.append("the last \(rest) bytes of '\(path)' are no whole record") }
      counts.append(size / recordBytes)
    }
    let total = counts.reduce(0, +)
    try ImageFileReader.requireMemory(total * Self.pixelBytes, paths[0])
    var labels: [Int] = []
    labels.reserveCapacity(total)
    let images = try Tensor.filled([total, 3, 32, 32], dtype: .uint8) { target in
      for (path, count) in zip(paths, counts) {
        let bytes = try FileBytes.read(path)
        guard bytes.count >= count * recordBytes else {
          throw DataError.damaged(path: path, reason: "it changed while it was read")
        }
        let first = labels.count
        bytes.withUnsafeBytes { source in
          for record in 0..<count {
            let start = record * recordBytes
            let pixels = source[start + labelBytes..<start + recordBytes]
            let place = labels.count * Self.pixelBytes
            UnsafeMutableRawBufferPointer(rebasing: target[place..<place + Self.pixelBytes])
              .copyMemory(from: UnsafeRawBufferPointer(rebasing: pixels))
            labels.append(Int(source[start + labelBytes - 1]))
          }
        }
        try BundleAssembly.checkLabels(
          labels[first...], of: path, classCount: classCount, skipBad: options.skipBad, &warnings)
      }
    }
    return try BundleAssembly.dataset(
      images: images, labels: labels, classNames: names, name: paths[0])
  }

  private func classNames(_ folder: String, _ warnings: inout [String]) throws -> [String] {
    let path = FolderScanner.join(folder, nameFile)
    if FileBytes.exists(path) {
      let text = String(decoding: try FileBytes.read(path), as: UTF8.self)
      let names = text.split(whereSeparator: \.isNewline).map(String.init)
        .filter { !$0.allSatisfy(\.isWhitespace) }
      if names.count == classCount { return names }
      warnings.append("'\(path)' was not used: it has \(names.count) names, not \(classCount)")
    }
    if kind == .cifar10 { return Self.cifar10Names }
    if warnings.isEmpty { warnings.append("'\(path)' is missing; classes are called by number") }
    return (0..<classCount).map(String.init)
  }
}
