import Foundation

/// Results that several threads compute side by side.
final class ParallelResults<Value: Sendable>: @unchecked Sendable {
  private let lock = NSLock()
  private var slots: [Value?]
  private var failure: (any Error)?

  init(count: Int) { slots = Array(repeating: nil, count: count) }

  /// All results in order, once ``fill(workers:_:)`` has come back.
  var values: [Value] { slots.compactMap { $0 } }

  /// Runs `body` once for each worker number; throws the first error of any.
  func fill(
    workers: Int, _ body: @Sendable (_ worker: Int, _ put: (Int, Value) -> Void) throws -> Void
  ) throws {
    DispatchQueue.concurrentPerform(iterations: workers) { worker in
      do {
        try body(worker) { index, value in
          lock.withLock { slots[index] = value }
        }
      } catch {
        lock.withLock { failure = failure ?? error }
      }
    }
    if let failure { throw failure }
  }
}
