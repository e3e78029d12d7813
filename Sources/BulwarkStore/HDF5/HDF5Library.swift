import CHDF5
import Foundation

/// The HDF5 library as a whole: its lock and its error stack.
///
/// HDF5 keeps global state, so every call into it holds one process-wide lock.
enum HDF5Library {
  private static let lock = NSRecursiveLock()

  /// Runs `body` as the only user of HDF5, with HDF5's own printing of errors turned off.
  static func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
    lock.lock()
    defer { lock.unlock() }
    bw_h5_silence()
    return try body()
  }

  /// HDF5's error stack, outermost call first; clears it.
  static func takeErrors() -> [String] {
    var buffer = [CChar](repeating: 0, count: 8192)
    bw_h5_take_errors(&buffer, buffer.count)
    let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { "HDF5 \($0)" }
  }
}
