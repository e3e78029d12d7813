import Glibc

/// Lists folders in a fixed order and finds the images below them.
enum FolderScanner {
  /// One entry of a folder, symbolic links followed.
  struct Entry {
    enum Kind: Equatable {
      case folder, file, other
      /// A link that leads nowhere or in a circle; the system's error number.
      case broken(Int32)
    }
    let name: String
    let path: String
    let kind: Kind
  }

  /// What was found below one class folder.
  struct Images {
    /// Paths in byte order of their names, folder by folder.
    var paths: [String] = []
    /// Files with another ending; hidden ones do not count.
    var ignored = 0
    /// Links that lead nowhere or in a circle, where these are to be skipped.
    var broken = 0
  }

  /// Endings of image files, lower case.
  static let endings = [".jpg", ".jpeg", ".png"]

  /// Whether names are in byte order of their UTF-8 form.
  static func precedes(_ first: String, _ second: String) -> Bool {
    first.utf8.lexicographicallyPrecedes(second.utf8)
  }

  /// `folder/name` without a doubled slash.
  static func join(_ folder: String, _ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : folder + "/" + name
  }

  /// The visible entries of a folder in byte order of their names.
  /// - Throws: `DataError.missing`, `.symlinkLoop` or `.unreadable`.
  static func entries(of folder: String) throws -> [Entry] {
    guard let directory = opendir(folder) else { throw FileBytes.failure(folder) }
    defer { closedir(directory) }
    var found: [Entry] = []
    while let item = readdir(directory) {
      let name = withUnsafePointer(to: &item.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name.hasPrefix(".") { continue }
      let path = join(folder, name)
      let kind: Entry.Kind
      switch Int(item.pointee.d_type) {
      case Int(DT_REG): kind = .file
      case Int(DT_DIR): kind = .folder
      default: kind = Self.kind(of: path)
      }
      found.append(Entry(name: name, path: path, kind: kind))
    }
    return found.sorted { precedes($0.name, $1.name) }
  }

  /// What lies at a path, links followed.
  static func kind(of path: String) -> Entry.Kind {
    var status = stat()
    guard stat(path, &status) == 0 else { return .broken(errno) }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return .file
    case S_IFDIR: return .folder
    default: return .other
    }
  }

  /// All images below a folder, deeper folders included, in byte order.
  /// - Parameters:
  ///   - folder: where to look.
  ///   - skipBroken: whether links that lead nowhere or in a circle are counted instead of refused.
  /// - Returns: the paths, and what was passed over.
  /// - Throws: `DataError.symlinkLoop` when a link leads back to a folder that contains it;
  ///   `.missing` for a dangling link; `.unreadable`.
  static func images(below folder: String, skipBroken: Bool) throws -> Images {
    var result = Images()
    try collect(folder, ancestors: [], skipBroken: skipBroken, into: &result)
    return result
  }

  private struct Identity: Hashable {
    let device: UInt64
    let inode: UInt64
  }

  private static func collect(
    _ folder: String, ancestors: Set<Identity>, skipBroken: Bool, into result: inout Images
  ) throws {
    var status = stat()
    guard stat(folder, &status) == 0 else { throw FileBytes.failure(folder) }
    let identity = Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    guard !ancestors.contains(identity) else {
      guard skipBroken else { throw DataError.symlinkLoop(path: folder) }
      result.broken += 1
      return
    }
    for entry in try entries(of: folder) {
      switch entry.kind {
      case .folder:
        try collect(
          entry.path, ancestors: ancestors.union([identity]), skipBroken: skipBroken, into: &result)
      case .file where isImage(entry.name):
        result.paths.append(entry.path)
      case .file, .other:
        result.ignored += 1
      case .broken(let code):
        guard skipBroken else { throw FileBytes.failure(entry.path, code: code) }
        result.broken += 1
      }
    }
  }

  private static func isImage(_ name: String) -> Bool {
    let lower = name.lowercased()
    return endings.contains { lower.hasSuffix($0) }
  }
}
