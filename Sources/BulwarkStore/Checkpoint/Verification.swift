/// The outcome of checking a Bulwark file against everything it says about itself.
public struct Verification: Sendable {
  /// Path of the file.
  public var path: String
  /// Number of data sets whose digest was compared.
  public var checkedDatasets: Int
  /// Size of the file in bytes.
  public var fileBytes: Int
  /// Everything that is wrong; empty when the file is exactly what was written.
  public var problems: [StoreError]

  /// True when nothing is wrong.
  public var isIntact: Bool { problems.isEmpty }

  /// Checks the seal over the whole file, the table of digests, and every data set against it.
  ///
  /// When the seal is broken but HDF5 can still be read, the data sets that differ are named.
  ///
  /// - Throws: ``StoreError`` of kind `missingFile` or `readFailed` when there is nothing to check.
  public static func of(_ path: String) throws -> Verification {
    var result = Verification(path: path, checkedDatasets: 0, fileBytes: 0, problems: [])
    do {
      let reader = try SealedReader(path, kind: nil, format: nil, policy: .required)
      result.fileBytes = reader.fileSize
      result.checkedDatasets = reader.table.rows.count
      result.problems = try reader.mismatches()
    } catch let error as StoreError where ![.missingFile, .readFailed].contains(error.kind) {
      result.problems.append(error)
      if error.kind == .brokenSeal || error.kind == .digestMismatch,
        let reader = try? SealedReader(path, kind: nil, format: nil, policy: .edited)
      {
        result.fileBytes = reader.fileSize
        result.checkedDatasets = reader.table.rows.count
        result.problems += (try? reader.mismatches()) ?? []
      }
    }
    return result
  }
}

extension Checkpoint {
  /// Checks a checkpoint's seal and every data set's digest; see ``Verification/of(_:)``.
  public static func verify(_ path: String) throws -> Verification { try .of(path) }
}
