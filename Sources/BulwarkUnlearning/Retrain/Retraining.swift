import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Retrain: a new model on the retain set alone, by standard supervised training with the original's
/// settings. What every other method is held against; it has never seen the forget set.
public final class Retraining: UnlearningRun {
  /// The model that is trained.
  public var model: ImageClassifier { trainer.model }
  /// Seconds that this process has spent, also while it trains.
  public var cost: UnlearningCost {
    let running = begin.map { $0.duration(to: .now).inSeconds } ?? 0
    return UnlearningCost(updateSeconds: spent + running)
  }

  private var spent = 0.0
  private var begin: ContinuousClock.Instant?
  private var isDone = false
  private let trainer: SupervisedTrainer
  private let input: UnlearningInput
  /// Of the retained data.
  private let fingerprint: String
  private let session: TrainingSession

  /// Prepares a run; nothing is computed yet.
  ///
  /// - Parameters:
  ///   - architecture: of the original.
  ///   - options: how the original was trained.
  ///   - input: data and forget set.
  ///   - session: device, precision, random key, events, checkpoints.
  /// - Throws: `TensorError`; `DataError` when the retain set cannot be taken.
  public init(
    _ architecture: Architecture, options: SupervisedOptions, input: UnlearningInput,
    session: TrainingSession
  ) throws {
    self.input = input
    self.session = session
    let data = TrainingData(
      train: try input.train.subset(input.forgetSet.retain),
      evaluator: Evaluator(test: nil, triggered: nil, normalization: input.normalization))
    fingerprint = try data.train.fingerprint
    trainer = try SupervisedTrainer(
      architecture, data: data, options: options, augmentation: input.augmentation,
      session: session)
  }

  /// Trains to the end.
  ///
  /// - Throws: `TrainingInterrupted` after a checkpoint when the session was asked to stop.
  public func run() throws {
    guard !isDone else { return }
    begin = ContinuousClock.now
    defer {
      spent = cost.seconds
      begin = nil
    }
    _ = try trainer.run()
    isDone = true
  }

  /// Everything needed to go on from here, bit for bit.
  public func snapshot() throws -> Checkpoint {
    var checkpoint = try trainer.snapshot()
    checkpoint.indexSets["forget"] = input.forgetSet.allForgotten
    checkpoint.notes = [
      "unlearning": [
        "run": ["method": "retrain", "forget_set": .string(input.forgetSet.digest)],
        "forget_origin": .string(input.forgetSet.origin), "seed": .unsigned(session.seed),
      ]
    ]
    return checkpoint
  }

  /// Goes back to where a checkpoint of the same run was written.
  ///
  /// - Throws: `CheckpointUseError.otherRun` when seed or retained data differ; `StateMismatch`.
  public func restore(_ checkpoint: Checkpoint) throws {
    guard checkpoint.progress.seed == session.seed else {
      throw CheckpointUseError.otherRun("its seed is \(checkpoint.progress.seed)")
    }
    guard checkpoint.fingerprints["train"] == fingerprint else {
      throw CheckpointUseError.otherRun("its retained data have another fingerprint")
    }
    try trainer.restore(checkpoint)
    isDone = checkpoint.progress.stage == "done"
  }
}
