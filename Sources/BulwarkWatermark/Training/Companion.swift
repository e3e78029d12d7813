import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// A second network that is trained before the host's first step, with all that a stopped run needs to go on
/// with it but the weights, which the scheme keeps.
final class Companion {
  let model: ImageClassifier
  /// Names the stage in events, errors and checkpoints.
  let stage: String
  let optimizer: SGD
  /// Steps done.
  private(set) var step = 0
  private let session: TrainingSession

  init(_ model: ImageClassifier, stage: String, optimizer: SGD, session: TrainingSession) {
    self.model = model
    self.stage = stage
    self.optimizer = optimizer
    self.session = session
  }

  /// Makes one update and tells it; a checkpoint is written where one is due.
  ///
  /// - Parameters:
  ///   - steps: of the whole stage.
  ///   - samples: images of the step.
  ///   - snapshot: of the whole run, this network included.
  ///   - loss: a scalar; called inside the run's precision.
  /// - Throws: `TrainingError.diverged` for a loss that is no finite number; `TrainingInterrupted` after a
  ///   checkpoint when the session was asked to stop.
  func descend(
    of steps: Int, samples: Int, snapshot: () throws -> Checkpoint, loss: () throws -> Tensor
  ) throws {
    let value = try session.inPrecision(loss)
    try model.state.clearGradients()
    try value.backward()
    try optimizer.step()
    _ = try TrainingError.finite(value.item(), stage: stage, step: step)
    step += 1
    try session.finished(
      stage: stage, step: step, of: steps, samples: samples, snapshot: snapshot)
  }

  /// Everything beyond weights and step that a resumed run needs.
  var states: [String: StateDict] {
    [optimizerName: StateDict(optimizer.state.map { ($0.name, $0.tensor) })]
  }

  /// Goes back to where a checkpoint of this stage was written.
  func load(_ checkpoint: Checkpoint) throws {
    try optimizer.load(
      checkpoint.states[optimizerName]?.pairs.map { (name: $0.0, tensor: $0.1) } ?? [])
    step = checkpoint.progress.step
  }

  private var optimizerName: String { "\(stage)_optimizer" }
}
