/// A walk over a whole file that refuses everything Bulwark never writes.
enum HDF5Tree {
  /// Groups may be nested this deep.
  static let depthLimit = 64

  /// All data sets of a file by path.
  ///
  /// - Throws: ``StoreError``: `refusedLink` for soft, external and repeated links, `refusedStorage`
  ///   for external, virtual and filtered storage, `oversized` when one data set, or all of them
  ///   together, declare more bytes than the file has, `unexpectedType` for other objects.
  static func datasets(of root: HDF5Group, file: String, fileSize: Int) throws
    -> [String: HDF5Dataset]
  {
    var result: [String: HDF5Dataset] = [:]
    var total = 0
    var pending: [(group: HDF5Group, depth: Int)] = [(root, 0)]
    while let (group, depth) = pending.popLast() {
      for link in try group.links() {
        let path = group.path == "/" ? "/\(link.name)" : "\(group.path)/\(link.name)"
        guard link.isHard else {
          throw StoreError(
            .refusedLink, file: file, item: path, expected: "a data set or group in this file",
            found: "a soft or external link",
            remedy: "Do not use this file, or copy the linked data set into it.")
        }
        switch try group.child(link.name) {
        case .group(let child):
          guard depth < depthLimit else {
            throw StoreError(
              .invalidContent, file: file, item: path,
              expected: "groups nested at most \(depthLimit) deep", found: "more",
              remedy: "Do not use this file; Bulwark never writes such groups.")
          }
          pending.append((child, depth + 1))
        case .dataset(let dataset):
          try dataset.info.check(file: file, path: path, fileSize: fileSize)
          total += dataset.info.declaredBytes ?? 0
          guard total <= fileSize else {
            throw StoreError(
              .oversized, file: file, item: path,
              expected: "data sets of at most \(fileSize) bytes together, the size of the file",
              found: "more", remedy: "Do not use this file: data sets overlap or lie outside it.")
          }
          result[path] = dataset
        }
      }
    }
    return result
  }
}
