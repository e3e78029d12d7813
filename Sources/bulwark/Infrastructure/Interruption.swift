import Foundation
import Synchronization

/// Ctrl-C and SIGTERM: the first asks the running step to finish, the second ends the process at
/// once.
enum Interruption {
  private static let signalsSeen = Atomic<Int>(0)
  private static let immediate = Atomic<Bool>(false)

  /// What the first signal does.
  enum Policy {
    /// It sets `isRequested`; the training loop writes a checkpoint and stops.
    case finishStep
    /// There is nothing to save: the process ends with status 75.
    case endAtOnce
  }

  /// Whether a signal has come.
  static var isRequested: Bool { signalsSeen.load(ordering: .relaxed) > 0 }

  /// Installs the handlers.
  static func install(_ policy: Policy) {
    // Both atomics exist from here on: the handler itself must not initialize anything.
    signalsSeen.store(0, ordering: .relaxed)
    immediate.store(policy == .endAtOnce, ordering: .relaxed)
    for number in [SIGINT, SIGTERM] {
      signal(number) { _ in Interruption.received() }
    }
    // Whoever started this process may have left the signals blocked.
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGINT)
    sigaddset(&signals, SIGTERM)
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }

  /// Only what is allowed in a signal handler: an atomic, `write` and `_exit`.
  private static func received() {
    let earlier = signalsSeen.add(1, ordering: .relaxed).oldValue
    if earlier > 0 { _exit(ExitStatus.interruptedTwice.rawValue) }
    guard immediate.load(ordering: .relaxed) else { return }
    let message: StaticString = "bulwark: interrupted.\nRun the same command again.\n"
    _ = write(STDERR_FILENO, message.utf8Start, message.utf8CodeUnitCount)
    _exit(ExitStatus.interrupted.rawValue)
  }
}
