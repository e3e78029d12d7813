/// What is known of a stored data set without reading its elements.
public struct HDF5DatasetInfo: Hashable, Sendable {
  /// What the elements are.
  public enum Element: Hashable, Sendable {
    /// Numbers.
    case number(HDF5Number)
    /// Fixed-length UTF-8 texts of that many bytes each.
    case text(bytes: Int)
    /// Something that Bulwark never writes.
    case other
  }

  /// How the elements lie in the file.
  public enum Layout: Int32, Hashable, Sendable {
    /// In the object header.
    case compact
    /// In one piece.
    case contiguous
    /// In chunks: extendable.
    case chunked
    /// In other data sets; always refused.
    case virtual
  }

  /// What the elements are.
  public var element: Element
  /// Bytes of one element.
  public var elementSize: Int
  /// Sizes of the axes; empty for a scalar.
  public var shape: [Int]
  /// How the elements lie in the file; nil for a layout unknown to Bulwark.
  public var layout: Layout?
  /// Bytes that the file really holds for this data set.
  public var storedBytes: Int
  /// Number of compression or checksum filters.
  public var filters: Int
  /// Number of files outside this one that hold elements.
  public var externalFiles: Int

  /// Bytes that shape and type ask for; nil when the product is not a sane number.
  public var declaredBytes: Int? {
    var total = elementSize
    for size in shape {
      guard size >= 0 else { return nil }
      let (product, overflow) = total.multipliedReportingOverflow(by: size)
      if overflow { return nil }
      total = product
    }
    return total
  }

  /// Throws ``StoreError`` unless the elements lie in this file, unfiltered, and fit into it.
  func check(file: String, path: String, fileSize: Int) throws {
    func refuse(_ kind: StoreError.Kind, _ expected: String, _ found: String) -> StoreError {
      StoreError(
        kind, file: file, item: path, expected: expected, found: found,
        remedy: "Do not use this file; Bulwark never writes such a data set.")
    }
    guard let layout, layout != .virtual else {
      throw refuse(.refusedStorage, "elements stored in this file", "virtual storage")
    }
    if externalFiles != 0 {
      throw refuse(
        .refusedStorage, "elements stored in this file", "\(externalFiles) external files")
    }
    if filters != 0 {
      throw refuse(.refusedStorage, "unfiltered elements", "\(filters) filters")
    }
    guard let declared = declaredBytes, declared <= fileSize else {
      throw refuse(
        .oversized, "at most \(fileSize) bytes, the size of the file",
        "shape \(shape) of \(elementSize)-byte elements")
    }
    if layout != .chunked && storedBytes < declared {
      throw refuse(.oversized, "\(declared) stored bytes", "\(storedBytes)")
    }
  }
}
