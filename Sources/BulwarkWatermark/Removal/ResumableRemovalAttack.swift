import BulwarkNN
import BulwarkStore
import BulwarkTraining

/// An attack that trains for long and can go on from a checkpoint that it wrote through its session.
public protocol ResumableRemovalAttack: RemovalAttack {
  /// Makes the surrogate, or finishes one that was begun.
  ///
  /// - Parameters:
  ///   - model: the stolen model, which is left as it was.
  ///   - data: the attacker's images and what the surrogate is measured on.
  ///   - session: device, precision, random key, events; the same seed as when it was begun.
  ///   - checkpoint: what the same attack saved when it was interrupted; nil begins anew.
  /// - Returns: the surrogate; the same bytes as without an interruption on the CPU.
  /// - Throws: `CheckpointUseError.otherRun` when the checkpoint is of another run; what
  ///   `surrogate(of:data:session:)` throws.
  func surrogate(
    of model: ImageClassifier, data: TrainingData, session: TrainingSession,
    resuming checkpoint: Checkpoint?
  ) throws -> ImageClassifier
}

extension ResumableRemovalAttack {
  /// Makes the surrogate from the beginning.
  public func surrogate(of model: ImageClassifier, data: TrainingData, session: TrainingSession)
    throws -> ImageClassifier
  {
    try surrogate(of: model, data: data, session: session, resuming: nil)
  }
}
