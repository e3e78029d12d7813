import Foundation

/// Output files that appear whole or not at all.
///
/// The content goes to a temporary file in the same folder, is flushed to the disk, gets its final
/// name in one step, and the folder is flushed. A process killed at any moment leaves the previous
/// file as it was; its temporary file is removed by the next write of the same name.
public enum AtomicFile {
  /// Writes some bytes to a file.
  ///
  /// - Parameters:
  ///   - data: the whole content.
  ///   - path: the file; its folder must exist.
  ///   - overwrite: whether an existing file may be replaced.
  ///   - isPrivate: whether nobody but the owner may read it (mode 0600), whatever was there before.
  /// - Throws: ``StoreError`` of kind `exists`, `cannotCreate` or `writeFailed`.
  public static func write(
    _ data: Data, to path: String, overwrite: Bool = false, isPrivate: Bool = false
  ) throws {
    try replace(path, overwrite: overwrite, isPrivate: isPrivate) { temporary in
      let file = try FileDescriptor(creating: temporary, shownAs: path, isPrivate: isPrivate)
      try data.withUnsafeBytes { try file.write($0, at: 0) }
      try file.flush()
    }
  }

  /// Makes a file through `body`, which gets the path of a temporary file that does not exist yet
  /// and must leave it complete and flushed. A private file ends with mode 0600; `body` must see to
  /// that itself before it writes what others may not read.
  public static func replace<Result>(
    _ path: String, overwrite: Bool, isPrivate: Bool = false,
    _ body: (_ temporary: String) throws -> Result
  ) throws -> Result {
    let target = destination(path)
    if !overwrite && exists(target) { throw existsError(path) }
    let (folder, name) = split(target)
    guard isFolder(folder) else {
      throw StoreError(
        .cannotCreate, file: path, expected: "an existing folder \(folder)", found: "none",
        remedy: "Create the folder first or choose another path.")
    }
    removeLeftovers(folder: folder, name: name)
    let temporary = "\(folder)/\(temporaryPrefix(name))\(getpid())-\(UInt64.random(in: 0 ... .max))"
    do {
      let result = try body(temporary)
      if isPrivate {
        chmod(temporary, 0o600)
      } else if overwrite {
        keepPermissions(from: target, to: temporary)
      }
      try rename(temporary, to: target, shownAs: path, overwrite: overwrite)
      FileDescriptor.flushFolder(folder)
      return result
    } catch {
      unlink(temporary)
      throw error
    }
  }

  private static func rename(
    _ temporary: String, to target: String, shownAs path: String, overwrite: Bool
  ) throws {
    if !overwrite {
      // A hard link fails when the name is taken, so two writers cannot replace each other's file.
      if link(temporary, target) == 0 {
        unlink(temporary)
        return
      }
      if errno == EEXIST || exists(target) { throw existsError(path) }
      // This file system has no hard links: rename below.
    }
    if Foundation.rename(temporary, target) != 0 {
      throw StoreError(
        .cannotCreate, file: path, expected: "a new file", found: "a refusal",
        remedy: "Check that the path is no folder and that its folder is writable.",
        causes: [FileDescriptor.systemMessage()])
    }
  }

  private static func existsError(_ path: String) -> StoreError {
    StoreError(
      .exists, file: path, expected: "no file of this name", found: "an existing one",
      remedy: "Choose another path, or ask for overwriting (--force).")
  }

  /// The file that a symbolic link leads to, so that a write goes through it; else the path itself.
  private static func destination(_ path: String) -> String {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK,
      let resolved = realpath(path, nil)
    else { return path }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  private static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  private static func keepPermissions(from old: String, to new: String) {
    var status = stat()
    if stat(old, &status) == 0 { chmod(new, status.st_mode & 0o7777) }
  }

  private static func split(_ path: String) -> (folder: String, name: String) {
    guard let slash = path.lastIndex(of: "/") else { return (".", path) }
    let folder = String(path[..<slash])
    return (folder.isEmpty ? "/" : folder, String(path[path.index(after: slash)...]))
  }

  /// Whether a name is that of a file which is being written, or which a killed process had begun to write.
  public static func isPartial(_ name: String) -> Bool {
    name.hasPrefix(".") && name.contains(".partial-")
  }

  /// Temporary names carry the machine, so that a process number means something.
  private static func temporaryPrefix(_ name: String) -> String {
    let machine = SHA256Digest(of: ProcessInfo.processInfo.hostName).description.prefix(8)
    return ".\(name.prefix(120)).partial-\(machine)-"
  }

  /// Removes temporary files of this name whose writer is dead.
  private static func removeLeftovers(folder: String, name: String) {
    let prefix = temporaryPrefix(name)
    guard let entries = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return }
    for entry in entries where entry.hasPrefix(prefix) {
      guard let process = entry.dropFirst(prefix.count).split(separator: "-").first,
        let number = pid_t(process), kill(number, 0) != 0, errno == ESRCH
      else { continue }
      unlink("\(folder)/\(entry)")
    }
  }
}
