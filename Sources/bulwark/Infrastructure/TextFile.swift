import Foundation

/// Texts that people write: recipes.
enum TextFile {
  /// The whole text.
  ///
  /// - Throws: `ToolError` (bad data) for a folder and for another encoding than UTF-8; Foundation's error for a
  ///   file that cannot be read.
  static func read(_ path: String) throws -> String {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      let inside = (path.hasSuffix("/") ? path : path + "/") + "recipe.yaml"
      throw ToolError(
        summary: "'\(path)' is a folder, not a file.",
        remedy: FileManager.default.fileExists(atPath: inside)
          ? "Give the recipe in it, '\(inside)'." : "Give a YAML file.", category: .badData)
    }
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    guard let text = String(data: data, encoding: .utf8) else {
      throw ToolError(
        summary: "\(path) is no text in UTF-8.", remedy: "Save it in that encoding.",
        category: .badData)
    }
    return text
  }
}
