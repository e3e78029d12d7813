import BulwarkStore
import BulwarkTensor

/// Loads image data sets of every kind; the kind is detected unless the options give it.
public enum DataSource {
  /// Loads a data set.
  /// - Parameters:
  ///   - path: `digits` for the embedded set, else a file or folder.
  ///   - options: kind, limits, size, channels, skipping of bad files.
  /// - Returns: train and test sets, resident as uint8, with warnings.
  /// - Throws: `DataError` naming the file and what to do; `TensorError` when LibTorch is missing.
  public static func load(_ path: String, options: DataOptions = DataOptions()) throws -> DataBundle
  {
    try options.validate()
    let place = try locate(path, kind: options.kind)
    switch place.kind {
    case .digits: return try DigitsLoader.load(options: options)
    case .folder: return try ImageFolderLoader.load(place.path, options: options)
    case .cifar10, .cifar100:
      return try CIFARLoader(kind: place.kind).load(place.path, options: options)
    case .mnist: return try IDXLoader.load(place.path, options: options)
    case .hdf5: return try StoredDatasetLoader.load(place.path, options: options)
    }
  }

  /// What lies at a path; reads at most the names in a folder and the first bytes of a file.
  /// - Throws: `DataError.missing`, `.unknownKind`, `.unsupported`, `.symlinkLoop`, `.unreadable`.
  public static func detect(_ path: String) throws -> DataKind { try locate(path, kind: nil).kind }

  /// A kind and the folder or file that holds it, which may be a folder inside the one given.
  private struct Place {
    let kind: DataKind
    let path: String
  }

  private static func locate(_ path: String, kind: DataKind?) throws -> Place {
    if kind == .digits || (kind == nil && path == DataKind.digits.rawValue) {
      return Place(kind: .digits, path: path)
    }
    switch FolderScanner.kind(of: path) {
    case .broken(let code): throw FileBytes.failure(path, code: code)
    case .other: throw DataError.unreadable(path: path, reason: "it is no file and no folder")
    case .file: return try locateFile(path, kind: kind)
    case .folder: return try locateFolder(path, kind: kind)
    }
  }

  private static func locateFile(_ path: String, kind: DataKind?) throws -> Place {
    let start = try FileBytes.read(path, limit: 8)
    let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]
    if kind == .hdf5 || DatasetFile.isOne(path) || start == signature {
      return Place(kind: .hdf5, path: path)
    }
    if [".tar", ".tar.gz", ".tgz", ".tar.xz", ".zip"].contains(where: path.hasSuffix) {
      throw DataError.unsupported(
        path: path, feature: "an archive", remedy: "Unpack it and give the folder.")
    }
    throw DataError.unknownKind(
      path: path,
      found: "it is a file but no Bulwark HDF5 data set (it starts with "
        + "\(ImageCodec.hexadecimal(start)))")
  }

  private static func locateFolder(_ path: String, kind: DataKind?) throws -> Place {
    if let kind {
      guard kind != .hdf5 else {
        throw DataError.wrongFormat(path: path, expected: "an HDF5 file", found: "a folder")
      }
      return Place(kind: kind, path: nested(path, kind: kind))
    }
    for candidate in [DataKind.cifar10, .cifar100, .mnist] {
      let inner = nested(path, kind: candidate)
      if try holds(inner, candidate) { return Place(kind: candidate, path: inner) }
    }
    let entries = try FolderScanner.entries(of: path)
    if entries.contains(where: { ["data_batch_1", "cifar-10-batches-py"].contains($0.name) }) {
      throw DataError.unsupported(
        path: path, feature: "CIFAR's Python (pickle) files",
        remedy: "Download the binary version (\(KnownDatasets.cifar10.files[0].address)).")
    }
    if entries.contains(where: { $0.kind == .folder }) { return Place(kind: .folder, path: path) }
    for entry in entries {
      if case .broken(let code) = entry.kind, code == ELOOPCode {
        throw DataError.symlinkLoop(path: entry.path)
      }
    }
    guard !entries.isEmpty else {
      throw DataError.noImages(path: path, looked: "the folder is empty")
    }
    let names = entries.prefix(3).map(\.name).joined(separator: ", ")
    throw DataError.unknownKind(
      path: path, found: "it has no class folders and no known binaries, but \(names)")
  }

  /// The usual inner folder of an unpacked archive, when it is there.
  private static func nested(_ path: String, kind: DataKind) -> String {
    let inner: [String]
    switch kind {
    case .cifar10: inner = ["cifar-10-batches-bin"]
    case .cifar100: inner = ["cifar-100-binary"]
    case .mnist: inner = ["MNIST/raw", "raw"]
    default: inner = []
    }
    return inner.map { FolderScanner.join(path, $0) }.first(where: FileBytes.exists) ?? path
  }

  private static func holds(_ folder: String, _ kind: DataKind) throws -> Bool {
    func has(_ name: String) -> Bool { FileBytes.exists(FolderScanner.join(folder, name)) }
    switch kind {
    case .cifar10: return (1...5).contains { has("data_batch_\($0).bin") }
    case .cifar100: return has("train.bin")
    default: return try IDXLoader.pair(in: folder, prefixes: ["train"]) != nil
    }
  }
}
