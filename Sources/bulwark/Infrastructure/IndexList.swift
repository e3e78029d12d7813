import BulwarkStore
import Foundation

/// A list of sample positions in a JSON file: an array of numbers, or an object that holds one under
/// `indices`, `poisoned` or `flagged`.
enum IndexList {
  /// Reads a list.
  ///
  /// - Throws: `ToolError` when the file is missing, is no such list, or names a position that the
  ///   data set does not have.
  static func read(_ path: String, below count: Int) throws -> [Int] {
    guard FileManager.default.fileExists(atPath: path) else {
      throw ToolError.missing(path, what: "index list")
    }
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let value = try? JSONValue(parsing: text)
    let list = value?["indices"] ?? value?["poisoned"] ?? value?["flagged"] ?? value
    guard let indices = try? list?.decode(as: [Int].self) else {
      throw ToolError(
        summary: "\(path) is no index list: expected a JSON array of sample positions.",
        remedy: "Give the list that `bulwark data poison` or `bulwark flag` wrote.",
        category: .badData)
    }
    if let wrong = indices.first(where: { !(0..<count).contains($0) }) {
      throw ToolError(
        summary: "\(path) names sample \(wrong), but the data set has \(count) samples.",
        remedy: "Give the list that belongs to this data set.", category: .badData)
    }
    return indices
  }
}
