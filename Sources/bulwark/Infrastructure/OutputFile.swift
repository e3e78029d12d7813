import BulwarkStore
import Foundation

/// Guards what a command writes: nothing existing is replaced unasked.
enum OutputFile {
  /// Throws unless `path` is free or `force` is given.
  static func check(_ path: String, force: Bool) throws {
    guard force || isFree(path) else { throw ToolError.exists(path) }
  }

  /// Whether nothing is lost by writing there: nothing is there, or a folder that holds at most what a killed
  /// process had begun to write.
  static func isFree(_ path: String) -> Bool {
    let manager = FileManager.default
    var isFolder: ObjCBool = false
    guard manager.fileExists(atPath: path, isDirectory: &isFolder) else { return true }
    guard isFolder.boolValue, let names = try? manager.contentsOfDirectory(atPath: path) else {
      return false
    }
    return names.allSatisfy(AtomicFile.isPartial)
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
      summary: "'\(path)' cannot be created.",
      remedy: "Choose an --out in a folder you can write to.", category: .cannotCreate,
      causes: causes)
  }
}
