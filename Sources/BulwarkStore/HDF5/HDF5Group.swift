import BulwarkTensor

/// A group of a file: a folder of groups and data sets.
public struct HDF5Group: Sendable {
  let handle: HDF5Handle

  /// A child of a group.
  public enum Child: Sendable {
    /// A group.
    case group(HDF5Group)
    /// A data set.
    case dataset(HDF5Dataset)
  }

  /// Path inside the file.
  public var path: String { handle.path }

  /// Data sets up to this many bytes are kept in their object header.
  static let compactLimit = 2048

  /// Makes a group.
  public func createGroup(_ name: String) throws -> HDF5Group {
    HDF5Group(handle: try handle.createGroup(name))
  }

  /// Makes a data set of numbers and writes its elements.
  ///
  /// - Parameters:
  ///   - name: name of the data set in this group.
  ///   - number: type of the elements.
  ///   - shape: sizes of the axes, row-major; empty makes a scalar.
  ///   - bytes: the elements, little-endian, exactly as many as `shape` asks for.
  /// - Returns: the data set.
  /// - Throws: ``StoreError`` of kind `writeFailed`.
  @discardableResult
  public func write(
    _ name: String, number: HDF5Number, shape: [Int], bytes: UnsafeRawBufferPointer
  ) throws -> HDF5Dataset {
    try write(name, element: .number(number), shape: shape.isEmpty ? nil : shape, bytes: bytes)
  }

  /// Makes a scalar data set that holds one UTF-8 text of any length.
  @discardableResult
  public func write(_ name: String, text: String) throws -> HDF5Dataset {
    let bytes = text.isEmpty ? [0] : Array(text.utf8)
    return try bytes.withUnsafeBytes {
      try write(name, element: .text(bytes: bytes.count), shape: nil, bytes: $0)
    }
  }

  /// Makes a 1-D data set of texts, each padded with zeros to the longest.
  @discardableResult
  public func write(_ name: String, texts: [String]) throws -> HDF5Dataset {
    let width = max(1, texts.map(\.utf8.count).max() ?? 1)
    var bytes = [UInt8](repeating: 0, count: width * texts.count)
    for (row, text) in texts.enumerated() {
      bytes.replaceSubrange(row * width..<row * width + text.utf8.count, with: text.utf8)
    }
    return try bytes.withUnsafeBytes {
      try write(name, element: .text(bytes: width), shape: [texts.count], bytes: $0)
    }
  }

  /// Makes an empty extendable 1-D data set.
  ///
  /// - Parameters:
  ///   - name: name of the data set in this group.
  ///   - number: type of the elements.
  ///   - chunk: rows that are stored together.
  /// - Returns: the data set.
  /// - Throws: ``StoreError`` of kind `writeFailed`.
  public func createExtendable(_ name: String, number: HDF5Number, chunk: Int) throws
    -> HDF5Dataset
  {
    let made = try handle.createDataset(
      name, element: .number(number), shape: [0], chunk: max(1, chunk), compact: false)
    return try HDF5Dataset(handle: made)
  }

  private func write(
    _ name: String, element: HDF5DatasetInfo.Element, shape: [Int]?, bytes: UnsafeRawBufferPointer
  ) throws -> HDF5Dataset {
    let compact = bytes.count > 0 && bytes.count <= HDF5Group.compactLimit
    let made = try handle.createDataset(
      name, element: element, shape: shape, chunk: 0, compact: compact)
    let dataset = try HDF5Dataset(handle: made)
    precondition(dataset.info.declaredBytes == bytes.count, "shape and bytes must agree")
    if bytes.count > 0 { try made.write(bytes, element: element) }
    return dataset
  }

  /// The names of the children and whether each is reached by a plain link, in order of name.
  public func links() throws -> [(name: String, isHard: Bool)] { try handle.links() }

  /// Opens a child.
  ///
  /// - Throws: ``StoreError``: `refusedLink` when several links lead to it, `unexpectedType` when it
  ///   is neither group nor data set, `readFailed` when it cannot be opened.
  public func child(_ name: String) throws -> Child {
    guard let child = try handle.open(name) else {
      throw StoreError(
        .unexpectedType, file: handle.file, item: "\(path)/\(name)",
        expected: "a group or a data set", found: "another kind of object",
        remedy: "Do not use this file; Bulwark never writes such objects.")
    }
    return child.kind == .group
      ? .group(HDF5Group(handle: child)) : .dataset(try HDF5Dataset(handle: child))
  }

  /// Sets a short text attribute.
  public func setAttribute(_ name: String, _ text: String) throws {
    try handle.setAttribute(name, text)
  }

  /// Sets an integer attribute.
  public func setAttribute(_ name: String, _ value: Int) throws {
    try handle.setAttribute(name, value)
  }

  /// A text attribute, nil when there is none.
  public func textAttribute(_ name: String) throws -> String? { try handle.textAttribute(name) }

  /// An integer attribute, nil when there is none.
  public func integerAttribute(_ name: String) throws -> Int? {
    try handle.integerAttribute(name)
  }
}
