import BulwarkTensor
import CPNG

/// MNIST's IDX files (Y. LeCun, C. Cortes, C. Burges), plain or gzip-compressed.
///
/// Also reads sets of the same form with ten classes (Fashion-MNIST, KMNIST). Classes are "0"..."9".
enum IDXLoader {
  static let classCount = 10

  /// The image and label files of one split.
  struct Pair {
    let images: String
    let labels: String
  }

  static func load(_ folder: String, options: DataOptions) throws -> DataBundle {
    guard let trainFiles = try pair(in: folder, prefixes: ["train"]) else {
      throw DataError.missing(path: FolderScanner.join(folder, "train-images-idx3-ubyte"))
    }
    var warnings: [String] = []
    let train = try read(trainFiles, options, &warnings)
    var test: ImageDataset?
    if let files = try pair(in: folder, prefixes: ["t10k", "test"]) {
      test = try read(files, options, &warnings)
    } else {
      warnings.append("there is no test set: t10k-images-idx3-ubyte is missing")
    }
    return try BundleAssembly.bundle(
      train: train, test: test, kind: .mnist, path: folder, options: options, warnings: warnings)
  }

  /// The files of a split, whatever their spelling: `train-images-idx3-ubyte`,
  /// `train-images.idx3-ubyte`, with or without `.gz`.
  static func pair(in folder: String, prefixes: [String]) throws -> Pair? {
    func find(_ prefix: String, _ part: String) -> String? {
      for separator in ["-", "."] {
        for ending in ["", ".gz"] {
          let path = FolderScanner.join(folder, "\(prefix)-\(part)\(separator)ubyte\(ending)")
          let other = FolderScanner.join(
            folder, "\(prefix)-\(part.replacingFirstDash(with: "."))\(separator)ubyte\(ending)")
          for candidate in [path, other] where FileBytes.exists(candidate) { return candidate }
        }
      }
      return nil
    }
    for prefix in prefixes {
      guard let images = find(prefix, "images-idx3") else { continue }
      guard let labels = find(prefix, "labels-idx1") else {
        throw DataError.missing(path: FolderScanner.join(folder, "\(prefix)-labels-idx1-ubyte"))
      }
      return Pair(images: images, labels: labels)
    }
    return nil
  }

  private static func read(
    _ pair: Pair, _ options: DataOptions, _ warnings: inout [String]
  ) throws -> ImageDataset {
    let labelFile = try IDXFile(pair.labels, dimensions: 1)
    let imageFile = try IDXFile(pair.images, dimensions: 3)
    let count = imageFile.shape[0]
    let height = imageFile.shape[1]
    let width = imageFile.shape[2]
    guard labelFile.shape[0] == count else {
      throw DataError.inconsistent(
        path: pair.labels, reason: "\(labelFile.shape[0]) labels for \(count) images")
    }
    guard count > 0, height > 0, width > 0 else {
      throw DataError.noImages(path: pair.images, looked: "its shape is \(imageFile.shape)")
    }
    guard height <= ImageCodec.maximumSide, width <= ImageCodec.maximumSide else {
      throw DataError.imageTooLarge(path: pair.images, width: width, height: height)
    }
    // Beside the pixels: each label as the byte of the file and as an integer.
    try ImageFileReader.requireMemory(count * (height * width + 9), pair.images)
    var labelBytes = [UInt8](repeating: 0, count: count)
    try labelBytes.withUnsafeMutableBytes { try labelFile.read(into: $0) }
    let labels = labelBytes.map(Int.init)
    try BundleAssembly.checkLabels(
      labels[...], of: pair.labels, classCount: classCount, skipBad: options.skipBad, &warnings)
    let images = try Tensor.filled([count, 1, height, width], dtype: .uint8) {
      try imageFile.read(into: $0)
    }
    return try BundleAssembly.dataset(
      images: images, labels: labels, classNames: (0..<classCount).map(String.init),
      name: pair.images)
  }
}

extension String {
  /// The text with its first "-" replaced; `images-idx3` becomes `images.idx3`.
  fileprivate func replacingFirstDash(with text: String) -> String {
    guard let dash = firstIndex(of: "-") else { return self }
    return self[..<dash] + text + self[index(after: dash)...]
  }
}
