import BulwarkNN
import BulwarkTensor

/// What can go wrong while a model is trained.
public enum TrainingError: BulwarkError, Equatable {
  /// The loss or the weights became infinite or not a number.
  case diverged(what: String, stage: String, step: Int)

  /// Passes a finite loss on.
  ///
  /// - Parameters:
  ///   - loss: of a step, in nats.
  ///   - stage: that is being trained.
  ///   - step: its number.
  /// - Returns: the loss.
  /// - Throws: `TrainingError.diverged` for an infinite loss or one that is not a number.
  public static func finite(_ loss: Double, stage: String, step: Int) throws -> Double {
    guard loss.isFinite else { throw diverged(what: "loss", stage: stage, step: step) }
    return loss
  }

  /// What happened.
  public var summary: String {
    switch self {
    case .diverged(let what, let stage, let step):
      "the training diverged: the \(what) became infinite or not a number in stage \(stage), step "
        + "\(step)"
    }
  }

  /// What to do about it.
  public var remedy: String {
    "use a smaller learning rate, and start anew: the settings of a run cannot change midway"
  }

  /// A failure.
  public var category: ErrorCategory { .failure }

  /// None.
  public var causes: [String] { [] }
}

extension ImageClassifier {
  /// Whether every weight and every running statistic is a finite number.
  ///
  /// - Throws: `TensorError`.
  public func hasFiniteState() throws -> Bool {
    try withoutGradients {
      try state.snapshot().allSatisfy {
        try $0.tensor.to(.float32).isFinite().to(.float32).min().item() == 1
      }
    }
  }

  /// Makes sure that training left numbers behind: the last step can blow the weights up after a finite
  /// loss.
  ///
  /// - Throws: `TrainingError.diverged`; `TensorError`.
  public func requireFiniteState(stage: String, step: Int) throws {
    guard try hasFiniteState() else {
      throw TrainingError.diverged(what: "weights", stage: stage, step: step)
    }
  }
}
