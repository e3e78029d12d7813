/// An open HDF5 file.
///
/// Thread-safe: all calls into HDF5 are serialized. Checkpoints and data sets go through sealed files
/// instead, which add the checks; this type is for code that needs plain HDF5 and trusts the file.
public struct HDF5File: Sendable {
  let handle: HDF5Handle

  /// Creates a file that does not exist yet.
  ///
  /// - Parameters:
  ///   - path: where the file goes.
  ///   - userBlock: bytes in front of HDF5's own, 0 or a power of two from 512 up.
  /// - Returns: the open file.
  /// - Throws: ``StoreError`` of kind `cannotCreate`.
  public static func create(_ path: String, userBlock: Int = 0) throws -> HDF5File {
    HDF5File(handle: try .createFile(path, shownAs: path, userBlock: userBlock))
  }

  /// Opens a file for reading.
  ///
  /// - Parameters:
  ///   - path: the path that the system opens.
  ///   - name: the path that messages show, if another.
  /// - Returns: the open file.
  /// - Throws: ``StoreError`` of kind `foreignFile` with HDF5's own messages as causes.
  public static func open(_ path: String, shownAs name: String? = nil) throws -> HDF5File {
    HDF5File(handle: try .openFile(path, shownAs: name ?? path))
  }

  /// The root group.
  public var root: HDF5Group { HDF5Group(handle: handle) }

  /// Writes everything out and closes the file; nothing that came from it may be used afterwards.
  public func close() throws { try handle.close() }
}
