import Foundation

/// The right to make a file, which one process holds at a time, so that runs that share a folder share its
/// work instead of doing it twice.
///
/// A claim is an advisory lock on a file `.NAME.claim` beside the file that is to be made. The system
/// drops it when its process ends, however that ends; whoever gives it up takes the file away.
public final class FileClaim {
  private let path: String
  private let descriptor: Int32

  private init(path: String, descriptor: Int32) {
    self.path = path
    self.descriptor = descriptor
  }

  deinit {
    // Under the lock: whoever opened the same file meanwhile finds that its name is gone and tries again.
    if descriptor >= 0 {
      unlink(path)
      close(descriptor)
    }
  }

  /// Takes the claim on a file, if nobody else holds it.
  ///
  /// The folder is made where it is not there yet: whoever came first would else have no claim to show. Where no
  /// lock can be had, in a folder that cannot be written to or on a file system without them, everybody gets
  /// the claim.
  ///
  /// - Parameter file: what is to be made.
  /// - Returns: the claim, which ends with the object; nil when another process, or this one, holds it.
  public static func take(_ file: String) -> FileClaim? {
    let url = URL(fileURLWithPath: file)
    let folder = url.deletingLastPathComponent().path
    let path = folder + "/.\(url.lastPathComponent).claim"
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    while true {
      let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
      guard descriptor >= 0 else { return FileClaim(path: path, descriptor: -1) }
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
        let isHeld = errno == EWOULDBLOCK
        close(descriptor)
        return isHeld ? nil : FileClaim(path: path, descriptor: -1)
      }
      if isStill(path, descriptor) { return FileClaim(path: path, descriptor: descriptor) }
      close(descriptor)
    }
  }

  /// Whether the name still leads to the file that was opened.
  private static func isStill(_ path: String, _ descriptor: Int32) -> Bool {
    var (opened, named) = (stat(), stat())
    return fstat(descriptor, &opened) == 0 && stat(path, &named) == 0
      && opened.st_ino == named.st_ino && opened.st_dev == named.st_dev
  }

  /// Does each piece of some work under the claim on its file: first those that nobody else is at, then the
  /// others as they become free, finished by whoever was at them or left to be finished.
  ///
  /// - Parameters:
  ///   - files: one for each piece of work.
  ///   - waiting: called about once a second while all that is left is claimed by others, the first time
  ///     with true; may throw.
  ///   - work: does a piece, or takes over what is there; gets its number.
  /// - Returns: what `work` gave, in the order of `files`.
  /// - Throws: what `waiting` and `work` throw.
  public static func share<Result>(
    _ files: [String], waiting: (_ isFirst: Bool) throws -> Void, _ work: (Int) throws -> Result
  ) throws -> [Result] {
    var results: [Int: Result] = [:]
    var left = Array(files.indices)
    var hasWaited = false
    while !left.isEmpty {
      let before = left.count
      for index in left {
        guard let claim = take(files[index]) else { continue }
        results[index] = try withExtendedLifetime(claim) { try work(index) }
        left.removeAll { $0 == index }
      }
      if left.count == before {
        try waiting(!hasWaited)
        hasWaited = true
        Thread.sleep(forTimeInterval: 1)
      }
    }
    return files.indices.compactMap { results[$0] }
  }
}
