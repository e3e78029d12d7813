import CPNG

/// One IDX file of unsigned bytes, read through zlib whether compressed or not.
///
/// Header: two zero bytes, the type (8: unsigned byte), the number of dimensions, then each length
/// as 4 bytes, most significant first.
final class IDXFile {
  /// Length of every dimension.
  let shape: [Int]
  private let path: String
  private let file: gzFile

  /// Opens a file and reads its header.
  /// - Throws: `DataError.wrongFormat` for another magic number, `.damaged` for impossible lengths.
  init(_ path: String, dimensions: Int) throws {
    let stored = try FileBytes.size(path)
    guard let file = gzopen(path, "rb") else { throw FileBytes.failure(path) }
    var opened = false
    defer { if !opened { gzclose(file) } }
    gzbuffer(file, 1 << 17)
    var header = [UInt8](repeating: 0, count: 4 + 4 * dimensions)
    try header.withUnsafeMutableBytes { try Self.read(file, path, into: $0) }
    guard Array(header.prefix(4)) == [0, 0, 8, UInt8(dimensions)] else {
      throw DataError.wrongFormat(
        path: path, expected: "the IDX magic number 00 00 08 0\(dimensions)",
        found: ImageCodec.hexadecimal(header.prefix(4)))
    }
    let shape = (0..<dimensions).map { dimension in
      header[4 + 4 * dimension..<8 + 4 * dimension].reduce(0) { $0 << 8 | Int($1) }
    }
    // The product is checked step by step against what a file of this size can hold at zlib's
    // greatest compression (1,032 : 1), so a forged header costs no memory.
    let limit = stored * 1032
    var total = 1
    for length in shape {
      guard length == 0 || total <= limit / length else {
        throw DataError.damaged(
          path: path, reason: "its header claims \(shape) bytes, but it has \(stored)")
      }
      total *= length
    }
    self.path = path
    self.shape = shape
    self.file = file
    opened = true
  }

  deinit { gzclose(file) }

  /// Reads all elements and checks that nothing follows.
  /// - Throws: `DataError.damaged` when the file is too short, too long or corrupt.
  func read(into target: UnsafeMutableRawBufferPointer) throws {
    try Self.read(file, path, into: target)
    var extra: UInt8 = 0
    guard gzread(file, &extra, 1) == 0 else {
      throw DataError.damaged(path: path, reason: "it is longer than its header says (\(shape))")
    }
  }

  private static func read(
    _ file: gzFile, _ path: String, into target: UnsafeMutableRawBufferPointer
  ) throws {
    var done = 0
    while done < target.count {
      let wanted = min(target.count - done, 1 << 24)
      let got = gzread(file, target.baseAddress.map { $0 + done }, UInt32(wanted))
      guard got > 0 else {
        var code: Int32 = 0
        let text = gzerror(file, &code).map { String(cString: $0) } ?? ""
        throw DataError.damaged(
          path: path,
          reason: "it ends after \(done) of \(target.count) bytes"
            + (code == 0 || text.isEmpty ? "" : " (\(text))"))
      }
      done += Int(got)
    }
  }
}
