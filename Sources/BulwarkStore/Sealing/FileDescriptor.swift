import CHDF5
import Foundation

/// Owner of one open file of the operating system.
final class FileDescriptor: Sendable {
  let number: Int32
  /// Path for messages.
  let name: String

  /// Creates a file that does not exist yet; others may not even read a private one.
  init(creating path: String, shownAs name: String, isPrivate: Bool = false) throws {
    self.name = name
    number = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, isPrivate ? 0o600 : 0o666)
    if number < 0 {
      throw StoreError(
        .cannotCreate, file: name, expected: "a new file", found: "a refusal",
        remedy: "Check that the folder is writable.", causes: [FileDescriptor.systemMessage()])
    }
  }

  /// Opens a regular file for reading, or also for writing.
  init(opening path: String, shownAs name: String, writing: Bool = false) throws {
    self.name = name
    // Without O_NONBLOCK a named pipe would wait for a writer for ever.
    number = open(path, (writing ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK)
    let code = errno
    let message = FileDescriptor.systemMessage()
    if number < 0 {
      throw StoreError(
        code == ENOENT || code == ENOTDIR ? .missingFile : .readFailed, file: name,
        expected: "a readable file", found: code == ENOENT ? "none" : "a refusal",
        remedy: "Check the path and its permissions.", causes: [message])
    }
    var status = stat()
    guard fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      // `deinit` closes the file: it runs also after a throw, since every property has its value.
      throw StoreError(
        .foreignFile, file: name, expected: "a regular file",
        found: status.st_mode & S_IFMT == S_IFDIR ? "a folder" : "something else",
        remedy: "Give the path of a file.")
    }
  }

  deinit { if number >= 0 { Foundation.close(number) } }

  /// The path under which this process can open the very same file again.
  var reopenPath: String { "/dev/fd/\(number)" }

  /// Size in bytes.
  func size() throws -> Int {
    var status = stat()
    guard fstat(number, &status) == 0 else { throw failure(.readFailed, "a size", "none") }
    return Int(status.st_size)
  }

  /// Reads exactly as many bytes as the buffer holds.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    var done = 0
    while done < buffer.count {
      let got = pread(
        number, buffer.baseAddress?.advanced(by: done), buffer.count - done, off_t(offset + done))
      if got < 0 && errno == EINTR { continue }
      guard got > 0 else {
        throw failure(.readFailed, "\(buffer.count) bytes at \(offset)", "\(done)")
      }
      done += got
    }
  }

  /// Reads exactly `count` bytes.
  func bytes(_ count: Int, at offset: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
      filled = count
    }
  }

  /// Writes all the bytes.
  func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws {
    var done = 0
    while done < buffer.count {
      let put = pwrite(
        number, buffer.baseAddress?.advanced(by: done), buffer.count - done, off_t(offset + done))
      if put < 0 && errno == EINTR { continue }
      guard put > 0 else {
        throw failure(.writeFailed, "\(buffer.count) bytes written", "\(done)")
      }
      done += put
    }
  }

  /// Lets the disk start on what has been written while the processor goes on; only a hint.
  func startWriting() {
    #if os(Linux)
      bw_h5_start_writing(number)
    #endif
  }

  /// Waits until everything is on the disk.
  func flush() throws {
    if fsync(number) != 0 { throw failure(.writeFailed, "a flush to the disk", "a failure") }
  }

  /// Waits until a folder's names are on the disk; file systems that cannot are left alone.
  static func flushFolder(_ path: String) {
    let folder = open(path, O_RDONLY | O_CLOEXEC)
    guard folder >= 0 else { return }
    fsync(folder)
    Foundation.close(folder)
  }

  static func systemMessage() -> String { String(cString: strerror(errno)) }

  private func failure(_ kind: StoreError.Kind, _ expected: String, _ found: String) -> StoreError {
    StoreError(
      kind, file: name, expected: expected, found: found,
      remedy: kind == .writeFailed
        ? "Check that the disk has space, then write again."
        : "Check the disk, then read again.", causes: [FileDescriptor.systemMessage()])
  }
}
