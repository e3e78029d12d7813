/// A data set of a file.
public struct HDF5Dataset: Sendable {
  let handle: HDF5Handle
  /// Type, shape and storage, as they were when the data set was opened.
  public let info: HDF5DatasetInfo

  init(handle: HDF5Handle) throws {
    self.handle = handle
    info = try handle.describe()
  }

  /// Path inside the file.
  public var path: String { handle.path }

  /// Reads the raw little-endian bytes of all elements.
  ///
  /// - Parameter buffer: filled completely; its size must be `info.declaredBytes`.
  /// - Throws: ``StoreError`` of kind `readFailed`.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws {
    precondition(buffer.count == info.declaredBytes, "the buffer must fit the data set")
    if buffer.count > 0 { try handle.read(into: buffer, element: info.element) }
  }

  /// Reads rows of the first axis.
  ///
  /// - Parameters:
  ///   - rows: within `0..<info.shape[0]`.
  ///   - buffer: filled completely.
  /// - Throws: ``StoreError`` of kind `readFailed`.
  public func read(rows: Range<Int>, into buffer: UnsafeMutableRawBufferPointer) throws {
    if buffer.count > 0 { try handle.read(into: buffer, element: info.element, rows: rows) }
  }

  /// The raw bytes of all elements.
  public func bytes() throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: info.declaredBytes ?? 0) { buffer, count in
      try read(into: UnsafeMutableRawBufferPointer(buffer))
      count = buffer.count
    }
  }

  /// Adds rows at the end of an extendable data set; returns the data set with its new shape.
  @discardableResult
  public func append(rows: Int, bytes: UnsafeRawBufferPointer) throws -> HDF5Dataset {
    try handle.append(bytes, rows: rows, after: info.shape[0], element: info.element)
    return try HDF5Dataset(handle: handle)
  }
}
