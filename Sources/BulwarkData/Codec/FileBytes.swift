import Glibc

/// Reading and writing whole files, with typed errors.
enum FileBytes {
  /// Most bytes that are read at once; more are refused before anything is read.
  static let maximumSize = 4 << 30

  /// The text of `errno`.
  static func systemMessage(_ code: Int32 = errno) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
    return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// The error for a failed system call on `path`.
  static func failure(_ path: String, code: Int32 = errno) -> DataError {
    switch code {
    case ENOENT, ENOTDIR: return .missing(path: path)
    case ELOOP: return .symlinkLoop(path: path)
    default: return .unreadable(path: path, reason: systemMessage(code))
    }
  }

  /// The content of an ordinary file, or its start.
  /// - Parameters:
  ///   - path: the file, of any size where `limit` is given.
  ///   - limit: at most this many bytes from the start; all of them by default.
  /// - Returns: the bytes.
  /// - Throws: `DataError.missing`, `.symlinkLoop` or `.unreadable`, also when more than `maximumSize`
  ///   bytes would be read.
  static func read(_ path: String, limit: Int = .max) throws -> [UInt8] {
    // Non-blocking, so that a named pipe is refused below rather than waited for.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw failure(path) }
    defer { close(descriptor) }
    let size = try ordinaryFileSize(descriptor, path)
    let wanted = min(size, limit)
    guard wanted <= maximumSize else {
      throw DataError.unreadable(path: path, reason: "it has \(size) bytes, more than any image")
    }
    var failed: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
      count = 0
      while count < wanted {
        let got = Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, wanted - count)
        if got < 0 && errno == EINTR { continue }
        if got < 0 { failed = errno }
        if got <= 0 { break }
        count += got
      }
    }
    guard failed == 0 else { throw failure(path, code: failed) }
    return bytes
  }

  /// The size of an ordinary file in bytes, links followed.
  /// - Throws: `DataError.missing`, `.symlinkLoop` or `.unreadable`.
  static func size(_ path: String) throws -> Int {
    var status = stat()
    guard stat(path, &status) == 0 else { throw failure(path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw notOrdinary(path) }
    return Int(status.st_size)
  }

  /// Whether something exists at the path, links followed; a dangling link counts as nothing.
  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Writes a file so that it appears whole or not at all: temporary name, flush, rename.
  /// - Throws: `DataError.cannotWrite`.
  static func write(_ bytes: [UInt8], to path: String) throws {
    let temporary = "\(path).\(getpid()).tmp"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw DataError.cannotWrite(path: path, reason: systemMessage())
    }
    var code: Int32 = 0
    bytes.withUnsafeBytes { buffer in
      var done = 0
      while done < buffer.count {
        let wrote = Glibc.write(
          descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done)
        if wrote < 0 && errno == EINTR { continue }
        if wrote <= 0 {
          code = wrote < 0 ? errno : EIO
          return
        }
        done += wrote
      }
    }
    if code == 0 && fsync(descriptor) != 0 { code = errno }
    if close(descriptor) != 0 && code == 0 { code = errno }
    if code == 0 && rename(temporary, path) != 0 { code = errno }
    guard code == 0 else {
      unlink(temporary)
      throw DataError.cannotWrite(path: path, reason: systemMessage(code))
    }
  }

  private static func ordinaryFileSize(_ descriptor: Int32, _ path: String) throws -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure(path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw notOrdinary(path) }
    return Int(status.st_size)
  }

  private static func notOrdinary(_ path: String) -> DataError {
    .unreadable(path: path, reason: "it is not an ordinary file")
  }
}
