/// A data set of a surveyed file; its elements are read without HDF5.
struct StoredDataset: Sendable {
  enum Source: Sendable {
    /// In one piece at this place of the file.
    case file(offset: Int)
    /// In the report of the survey.
    case memory([UInt8])
  }

  let file: FileDescriptor
  /// Path inside the file.
  let path: String
  let info: HDF5DatasetInfo
  let source: Source
  let attributes: [String: String]

  /// Reads the raw little-endian bytes of all elements; the buffer must have exactly their size.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws {
    precondition(buffer.count == info.declaredBytes, "the buffer must fit the data set")
    switch source {
    case .file(let offset):
      if buffer.count > 0 { try file.read(into: buffer, at: offset) }
    case .memory(let bytes): buffer.copyBytes(from: bytes)
    }
  }

  /// The raw bytes of all elements.
  func bytes() throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: info.declaredBytes ?? 0) { buffer, count in
      try read(into: UnsafeMutableRawBufferPointer(buffer))
      count = buffer.count
    }
  }

  /// The text of a scalar text data set.
  func text() throws -> String {
    guard case .text = info.element, info.shape.isEmpty else { throw mismatch("one text") }
    return String(decoding: try bytes().reversed().drop { $0 == 0 }.reversed(), as: UTF8.self)
  }

  /// The texts of a 1-D text data set.
  func texts() throws -> [String] {
    guard case .text(let width) = info.element, info.shape.count == 1 else {
      throw mismatch("a list of texts")
    }
    let all = try bytes()
    return (0..<info.shape[0]).map { row in
      String(decoding: all[row * width..<(row + 1) * width].prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  /// The integers of an int64 data set.
  func integers() throws -> [Int] {
    guard info.element == .number(.int64) else { throw mismatch("64-bit integers") }
    return try bytes().withUnsafeBytes { $0.bindMemory(to: Int64.self).map { Int($0) } }
  }

  /// The numbers of a float64 data set.
  func doubles() throws -> [Double] {
    guard info.element == .number(.float64) else { throw mismatch("64-bit floating point") }
    return try bytes().withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
  }

  func mismatch(_ expected: String) -> StoreError {
    StoreError(
      .unexpectedType, file: file.name, item: path, expected: expected,
      found: "\(info.element) of shape \(info.shape)",
      remedy: "The file was changed by another program; use another copy.")
  }
}
