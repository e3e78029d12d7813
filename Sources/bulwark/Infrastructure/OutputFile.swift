import Foundation

/// Guards what a command writes: nothing existing is replaced unasked.
enum OutputFile {
  /// Throws unless `path` is free or `force` is given, and unless its folder exists or can be
  /// created.
  ///
  /// An empty folder counts as free. Called before any work, so that a long run does not fail at
  /// its end.
  static func claim(_ path: String, force: Bool) throws {
    let manager = FileManager.default
    var isFolder: ObjCBool = false
    if manager.fileExists(atPath: path, isDirectory: &isFolder), !force {
      let isEmptyFolder =
        isFolder.boolValue && (try? manager.contentsOfDirectory(atPath: path).isEmpty) == true
      guard isEmptyFolder else { throw ToolError.exists(path) }
    }
    let parent = URL(fileURLWithPath: path).deletingLastPathComponent()
    do {
      try manager.createDirectory(at: parent, withIntermediateDirectories: true)
    } catch {
      throw ToolError(
        summary: "\(path) cannot be created.",
        remedy: "Choose an --out in a folder you can write to.",
        category: .cannotCreate, causes: ["\(error)"])
    }
    guard manager.isWritableFile(atPath: parent.path) else {
      throw ToolError(
        summary: "\(path) cannot be created: \(parent.path) is not writable.",
        remedy: "Choose an --out in a folder you can write to.", category: .cannotCreate)
    }
  }
}

extension OutputFile {
  /// Makes a folder and those above it, unless it is there.
  static func makeFolder(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw ToolError(
        summary: "The folder \(path) cannot be created.",
        remedy: "Choose an --out in a folder you can write to.", category: .cannotCreate,
        causes: ["\(error)"])
    }
  }
}
