import BulwarkTraining

/// Tells how far the scoring of models under many keys is, and stops it where that is asked. Nothing is kept
/// of a suspect's scoring that was stopped; null models' scores are (`NullTable`).
public struct ScoringProgress {
  /// Stage in which null models are scored.
  public static let nullModels = "null_scores"
  /// Stage in which the suspect is scored.
  public static let suspect = "suspect_scores"

  /// Steps done.
  public private(set) var step = 0
  private let session: TrainingSession
  private let stage: String
  private let steps: Int

  /// Begins a stage and tells it.
  ///
  /// - Parameters:
  ///   - session: told, and asked whether to stop.
  ///   - stage: its name.
  ///   - steps: of the whole stage.
  public init(_ session: TrainingSession, stage: String, steps: Int) {
    self.session = session
    self.stage = stage
    self.steps = steps
    session.tell(.stage(name: stage, step: 0, steps: steps))
  }

  /// Ends a step.
  ///
  /// - Parameter keys: that a model was scored under in the step.
  /// - Throws: `TrainingInterrupted` when the session was asked to stop.
  public mutating func advance(keys: Int) throws {
    step += 1
    session.tell(.step(stage: stage, step: step, steps: steps, samples: keys))
    try session.stopIfAsked(stage: stage, step: step)
  }
}
