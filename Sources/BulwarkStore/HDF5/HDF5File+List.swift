extension HDF5File {
  /// The whole numbers of a list in a plain HDF5 file of any origin.
  ///
  /// A child process parses the file, as it does sealed ones, so that neither damage nor malice reaches HDF5 in
  /// this process. The checks of sealed files hold for everything in the file, not for the list alone.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - names: data sets at the top of the file that may be the list; the first that is there counts.
  /// - Returns: the numbers, in their order; nil where the file has none of these data sets.
  /// - Throws: ``StoreError``: `missingFile` and `foreignFile` when there is no such file; `readFailed` when HDF5
  ///   cannot read it; `unexpectedType` unless the list is one-dimensional, of 64-bit integers; `refusedLink`,
  ///   `refusedStorage`, `oversized`, `invalidContent` and `hostileFile` for what Docs/FileFormat.md refuses.
  public static func integers(in path: String, firstOf names: [String]) throws -> [Int]? {
    let file = try FileDescriptor(opening: path, shownAs: path)
    let survey = try HDF5Survey(of: file, size: file.size())
    guard let list = names.lazy.compactMap({ survey.datasets["/" + $0] }).first else { return nil }
    guard list.info.element == .number(.int64), list.info.shape.count == 1 else {
      throw StoreError(
        .unexpectedType, file: path, item: list.path, expected: "a list of 64-bit integers",
        found: "\(list.info.element) of shape \(list.info.shape)",
        remedy: "Store the list one-dimensional, as int64.")
    }
    return try list.integers()
  }
}
