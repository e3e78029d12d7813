import BulwarkStore
import Foundation

/// Lists of sample positions in files.
///
/// | kind | content |
/// |---|---|
/// | JSON | an array of numbers, or an object that holds one under `indices`, `flagged`, `poisoned_indices` or `poisoned` |
/// | CSV | positions one a line, or a column named `index`; an optional column `flagged` (0 or 1) selects rows |
/// | HDF5 | a data set `flagged`, `indices` or `poisoned` of type int64, uncompressed, at the top of the file |
/// | Bulwark data set or checkpoint | an index set `flagged`, `indices` or `poisoned` |
///
/// So it reads what `bulwark flag` and `bulwark data poison` write. The first key of `indices`, `flagged`,
/// `poisoned_indices`, `poisonedIndices` (the manifest `poison.json`) and `poisoned` counts. Files of any origin
/// may be given: a child process parses HDF5, and no link out of the file is followed.
public enum ForgetListFile {
  private static let keys = [
    "indices", "flagged", "poisoned_indices", "poisonedIndices", "poisoned",
  ]

  /// Reads the positions in the order of the file; nothing is checked against a data set.
  ///
  /// - Parameter path: the file; what it holds is recognized by its first bytes.
  /// - Returns: the positions.
  /// - Throws: `StoreError` for a missing, damaged or hostile file and for HDF5 lists of another type,
  ///   `UnlearningError.notAList`.
  public static func read(_ path: String) throws -> [Int] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw StoreError(
        .missingFile, file: path, expected: "a list of sample positions", found: "no such file",
        remedy: "Check the path of the list.")
    }
    if data.starts(with: [0x89, 0x48, 0x44, 0x46]) {
      guard let found = try HDF5File.integers(in: path, firstOf: keys) else {
        throw notAList(path, "no data set \(keys.joined(separator: ", "))")
      }
      return found
    }
    if DatasetFile.isOne(path) { return try stored(DatasetFile(reading: path).indexSets, path) }
    // The seal of a checkpoint, or a broken one, of which the reader says what is wrong.
    if data.starts(with: [0x89, 0x42, 0x57, 0x4B]) {
      return try stored(Checkpoint.indexSets(of: path), path)
    }
    guard let text = String(data: data, encoding: .utf8) else {
      throw notAList(path, "it is neither text nor HDF5")
    }
    let first = text.first { !$0.isWhitespace }
    return first == "[" || first == "{" ? try json(text, path) : try csv(text, path)
  }

  /// Reads the positions in the order of the file and checks them against a data set.
  ///
  /// - Parameters:
  ///   - path: the file; what it holds is recognized by its first bytes.
  ///   - count: samples in the data set.
  /// - Returns: the positions, each in `0..<count` and once; a list may be empty.
  /// - Throws: what `read(_:)` throws; `UnlearningError.outOfRange` or `.duplicate`.
  public static func read(_ path: String, of count: Int) throws -> [Int] {
    let positions = try read(path)
    _ = try ForgetSet.membership(positions, of: count, origin: path)
    return positions
  }

  /// The samples that a list leaves out of training, and those that stay.
  ///
  /// - Parameters:
  ///   - path: the file; empty for no list.
  ///   - count: samples in the data set.
  /// - Returns: both; nil where no list is given, or an empty one.
  /// - Throws: what `read(_:of:)` throws; `UnlearningError.everything` where none would stay.
  public static func samplesToLeaveOut(_ path: String, of count: Int) throws -> ForgetSet? {
    guard !path.isEmpty else { return nil }
    let listed = try read(path, of: count)
    return listed.isEmpty ? nil : try ForgetSet(listed, of: count, origin: path)
  }

  private static func json(_ text: String, _ path: String) throws -> [Int] {
    guard let value = try? JSONValue(parsing: text) else { throw notAList(path, "broken JSON") }
    let list = keys.compactMap { value[$0] }.first ?? value
    guard let positions = try? list.decode(as: [Int].self) else {
      throw notAList(path, "no array of whole numbers under any of \(keys.joined(separator: ", "))")
    }
    return positions
  }

  private static func csv(_ text: String, _ path: String) throws -> [Int] {
    let table = CSVTable(text)
    var column = 0
    var selector: Int?
    if let header = table.header {
      guard let index = header.firstIndex(of: "index") else {
        throw notAList(path, "its header has no column 'index'")
      }
      column = index
      selector = header.firstIndex(of: "flagged")
    }
    return try table.rows.compactMap { row in
      guard column < row.cells.count, let position = Int(row.cells[column]) else {
        throw notAList(path, "line \(row.line) holds no whole number")
      }
      guard table.header != nil || row.cells.count == 1 else {
        throw notAList(
          path,
          "line \(row.line) holds several numbers; give one a line, or a header with a column 'index'"
        )
      }
      guard let selector else { return position }
      let word = selector < row.cells.count ? row.cells[selector].lowercased() : ""
      if Double(word) == 1 || ["true", "yes"].contains(word) { return position }
      if Double(word) == 0 || ["false", "no"].contains(word) { return nil }
      throw notAList(path, "line \(row.line) says '\(word)' under 'flagged', not 0 or 1")
    }
  }

  private static func stored(_ sets: [String: [Int]], _ path: String) throws -> [Int] {
    guard let found = keys.lazy.compactMap({ sets[$0] }).first else {
      throw notAList(path, "it stores no index set \(keys.joined(separator: ", "))")
    }
    return found
  }

  private static func notAList(_ path: String, _ reason: String) -> UnlearningError {
    .notAList(path: path, reason: reason)
  }
}
