import BulwarkTensor

/// The exit codes that scripts may rely on.
enum ExitStatus: Int32, CaseIterable {
  case done = 0
  case failed = 1
  /// A verification or audit came out negative.
  case negative = 2
  case usage = 64
  case badData = 65
  case missingInput = 66
  case cannotCreate = 73
  case inputOutput = 74
  /// Interrupted in an orderly way; `--resume` continues.
  case interrupted = 75
  case interruptedTwice = 130

  init(_ category: ErrorCategory) {
    switch category {
    case .usage: self = .usage
    case .badData: self = .badData
    case .missingInput: self = .missingInput
    case .cannotCreate: self = .cannotCreate
    case .inputOutput: self = .inputOutput
    case .failure: self = .failed
    }
  }
}
