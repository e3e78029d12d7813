import Foundation

/// The first 512 bytes of a Bulwark file: HDF5's user block, which holds the seal.
///
/// It is read and checked before HDF5 sees the file, so a damaged file never reaches its parser.
/// Layout, little-endian: magic (8 bytes), major version (4), minor version (4), kind (8, ASCII),
/// length of the whole file (8), digest of the payload (32), a note for humans (384), zeros (32),
/// SHA-256 of the 480 bytes before (32).
struct Seal: Equatable {
  static let size = 512
  static let magic: [UInt8] = [0x89, 0x42, 0x57, 0x4B, 0x0D, 0x0A, 0x1A, 0x0A]
  /// The format written here. A reader accepts any minor version of its own major one.
  static let major = 1
  static let minor = 0
  /// The payload is digested in pieces of this size.
  static let piece = 1 << 20

  var major = Seal.major
  var minor = Seal.minor
  var kind: String
  var length: Int
  var digest: SHA256Digest

  /// The 512 bytes.
  var bytes: [UInt8] {
    var block = [UInt8](repeating: 0, count: Seal.size)
    func put(_ values: [UInt8], at offset: Int) {
      block.replaceSubrange(offset..<offset + values.count, with: values)
    }
    func little(_ value: Int, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    put(Seal.magic, at: 0)
    put(little(major, 4) + little(minor, 4), at: 8)
    put(Array(kind.utf8.prefix(8)), at: 16)
    put(little(length, 8), at: 24)
    put(digest.bytes, at: 32)
    put(Array(Seal.note.utf8.prefix(384)), at: 64)
    put(SHA256Digest(of: Array(block[..<480])).bytes, at: 480)
    return block
  }

  private static let note = """
    This is a Bulwark file: 512 bytes of seal, then HDF5.
    Read it in Python: h5py.File(path)["model/..."][...]
    See Docs/FileFormat.md of Bulwark for the layout.

    """

  init(kind: String, length: Int, digest: SHA256Digest) {
    self.kind = kind
    self.length = length
    self.digest = digest
  }

  /// Reads a seal; throws ``StoreError`` when the bytes are none, a damaged one, or a newer one.
  init(reading block: [UInt8], file: String) throws {
    func little(_ range: Range<Int>) -> Int {
      block[range].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
    guard block.count == Seal.size, block.starts(with: Seal.magic) else {
      throw Seal.foreign(block, file: file)
    }
    let sealed = SHA256Digest(of: Array(block[..<480]))
    guard Array(block[480...]) == sealed.bytes,
      let payload = SHA256Digest(bytes: Array(block[32..<64]))
    else {
      throw StoreError(
        .brokenSeal, file: file, item: "seal", expected: sealed.description,
        found: SHA256Digest(bytes: Array(block[480...]))?.description ?? "none",
        remedy: "The first 512 bytes are damaged; use another copy of the file.")
    }
    major = little(8..<12)
    minor = little(12..<16)
    guard major == Seal.major else {
      throw StoreError(
        .futureVersion, file: file, item: "format version", expected: "\(Seal.major).x",
        found: "\(major).\(minor)",
        remedy: "Read the file with a Bulwark release that knows this format.")
    }
    kind = String(decoding: block[16..<24].prefix { $0 != 0 }, as: UTF8.self)
    // A length of 2^63 or more would be negative here and never equals a real one.
    length = little(24..<32)
    digest = payload
  }

  private static func foreign(_ block: [UInt8], file: String) -> StoreError {
    let hdf5: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]
    let found: String
    let remedy: String
    if block.starts(with: hdf5) {
      found = "HDF5 made by another program"
      remedy = "Export the weights as safetensors or .pt there, then import them."
    } else if block.starts(with: [0x50, 0x4B, 3, 4]) {
      found = "a zip archive (perhaps a PyTorch file)"
      remedy = "Import it: bulwark checkpoint import."
    } else {
      found = "something else"
      remedy = "Check the path; if the file was copied, copy it again."
    }
    return StoreError(
      .foreignFile, file: file, expected: "a Bulwark file", found: found, remedy: remedy)
  }

  /// Digest of everything behind the seal: SHA-256 over the SHA-256 digests of its 1 MiB pieces.
  ///
  /// The pieces are digested on all processors at once.
  static func digestPayload(of file: FileDescriptor, length: Int) throws -> SHA256Digest {
    let start = Seal.size
    let pieces = max(0, (length - start + piece - 1) / piece)
    let results = ParallelResults<SHA256Digest>(count: pieces)
    let workers = min(max(1, pieces), ProcessInfo.processInfo.activeProcessorCount)
    try results.fill(workers: workers) { worker, put in
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: piece, alignment: 64)
      defer { buffer.deallocate() }
      for index in stride(from: worker, to: pieces, by: workers) {
        let offset = start + index * piece
        let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(piece, length - offset)])
        try file.read(into: part, at: offset)
        put(index, SHA256Digest(of: UnsafeRawBufferPointer(part)))
      }
    }
    return SHA256Digest(of: results.values.flatMap(\.bytes))
  }
}
