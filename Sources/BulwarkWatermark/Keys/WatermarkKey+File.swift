import BulwarkStore
import Foundation

extension WatermarkKey {
  /// What stands in a key file: the key, and the commitment for people to copy. Reading recomputes it.
  private struct File: Codable {
    var key: WatermarkKey
    var commitment: String?
  }

  /// Writes the key as one JSON file that only its owner may read (mode 0600) and that appears whole or
  /// not at all.
  ///
  /// - Parameters:
  ///   - path: the file; its folder must exist.
  ///   - overwrite: whether an existing file may be replaced.
  /// - Throws: `StoreError`; `TensorError`.
  public func write(to path: String, overwrite: Bool = false) throws {
    let file = File(key: self, commitment: try commitment()?.description)
    let data = Data((try JSONValue.text(of: file) + "\n").utf8)
    try AtomicFile.replace(path, overwrite: overwrite, isPrivate: true) { temporary in
      let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL, 0o600)
      guard descriptor >= 0 else { throw WatermarkKey.cannotWrite(path) }
      defer { close(descriptor) }
      let written = data.withUnsafeBytes { bytes in
        var done = 0
        while done < bytes.count {
          let count = Foundation.write(
            descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done)
          if count <= 0 { return false }
          done += count
        }
        return true
      }
      guard written, fsync(descriptor) == 0 else { throw WatermarkKey.cannotWrite(path) }
    }
  }

  /// Reads a key file and recomputes its commitment.
  ///
  /// - Parameter path: the file.
  /// - Throws: `WatermarkError.badKey` for a file that is no key or describes a mark that there cannot be;
  ///   `.commitment` for one that was changed; `CocoaError` when it cannot be read.
  public init(reading path: String) throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    let file: File
    do {
      file = try JSONDecoder().decode(File.self, from: data)
    } catch let error as DecodingError {
      throw WatermarkError.badKey(path, reason: WatermarkKey.describe(error))
    }
    guard file.key.format == WatermarkKey.format else {
      throw WatermarkError.badKey(
        path,
        reason:
          "its format is '\(file.key.format)', not '\(WatermarkKey.format)'; another build of "
          + "Bulwark wrote it, and only such a one draws the same carriers"
      )
    }
    try file.key.validate(path)
    self = file.key
    guard let text = file.commitment else {
      guard modelDigest == nil else {
        throw WatermarkError.badKey(path, reason: "it states no commitment")
      }
      return
    }
    guard let stated = Commitment(parsing: text) else {
      throw WatermarkError.badKey(path, reason: "its commitment is no digest")
    }
    try check(stated)
  }

  /// Whether others than the owner may read a file.
  public static func isReadableByOthers(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & 0o077 != 0
  }

  private static func cannotWrite(_ path: String) -> StoreError {
    StoreError(
      .writeFailed, file: path, expected: "a key file of mode 0600", found: "a refusal",
      remedy: "Check the folder's permissions and the space on the disk.",
      causes: [String(cString: strerror(errno))])
  }

  private static func describe(_ error: DecodingError) -> String {
    switch error {
    case .dataCorrupted(let context), .keyNotFound(_, let context),
      .typeMismatch(_, let context), .valueNotFound(_, let context):
      return context.debugDescription
    @unknown default: return "\(error)"
    }
  }
}
