import Foundation

/// Guards what a command writes: nothing existing is replaced unasked.
enum OutputFile {
  /// Throws unless `path` is free or `force` is given; an empty folder counts as free.
  static func check(_ path: String, force: Bool) throws {
    let manager = FileManager.default
    var isFolder: ObjCBool = false
    guard !force, manager.fileExists(atPath: path, isDirectory: &isFolder) else { return }
    let isEmptyFolder =
      isFolder.boolValue && (try? manager.contentsOfDirectory(atPath: path).isEmpty) == true
    guard isEmptyFolder else { throw ToolError.exists(path) }
  }

  /// As `check`, and makes the folder that `path` lies in.
  ///
  /// Called before any work, so that a long run does not fail at its end.
  static func claim(_ path: String, force: Bool) throws {
    try check(path, force: force)
    let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
    try makeFolder(parent)
    guard FileManager.default.isWritableFile(atPath: parent) else {
      throw cannotCreate(path, causes: ["\(parent) is not writable"])
    }
  }

  /// Makes a folder and those above it, unless it is there.
  static func makeFolder(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw cannotCreate(path, causes: ["\(error)"])
    }
  }

  private static func cannotCreate(_ path: String, causes: [String]) -> ToolError {
    ToolError(
      summary: "\(path) cannot be created.",
      remedy: "Choose an --out in a folder you can write to.", category: .cannotCreate,
      causes: causes)
  }
}
