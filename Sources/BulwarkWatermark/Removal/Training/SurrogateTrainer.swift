import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// One step of an attack's training.
struct SurrogateStep {
  /// Model input, [B, C, H, W], float32, normalized, on the session's device.
  let input: Tensor
  /// Labels as the attacker's images have them, [B], int64, on the session's device.
  let labels: Tensor
  /// Positions in the attacker's images.
  let indices: [Int]
  /// Passes done.
  let epoch: Int
}

/// The training loop of every attack that trains: SGD over some weights of a model, resumable.
final class SurrogateTrainer {
  /// What an attack makes of the loop.
  struct Task {
    /// Name of the attack: the stage in events and checkpoints.
    var attack: String
    /// Settings of the loop.
    var training: AttackTraining
    /// The attacker's images.
    var images: ImageDataset
    /// The weights that are trained; the others keep every bit.
    var moving: [ParameterStore.Entry]
    /// What tells this run from others.
    var identity: JSONValue
    /// Model input of a batch, given epoch and step.
    var input: (ImageDataset.Batch, Int, Int) throws -> Tensor
    /// The loss, a scalar.
    var loss: (SurrogateStep) throws -> Tensor
    /// What follows every update, for example a mask.
    var afterUpdate: () throws -> Void = {}
  }

  let model: ImageClassifier
  private let task: Task
  private let session: TrainingSession
  private let optimizer: SGD
  private var walk: BatchWalk
  private var step = 0
  private var lossSum = 0.0

  /// Prepares the training of `model`; weights that do not move lose their gradients until the end.
  init(_ model: ImageClassifier, _ task: Task, session: TrainingSession) throws {
    self.model = model
    self.task = task
    self.session = session
    let training = task.training
    optimizer = SGD(
      task.moving, learningRate: training.learningRate, momentum: training.momentum,
      weightDecay: training.weightDecay, nesterov: training.nesterov)
    walk = BatchWalk(
      task.images, batchSize: training.batchSize, key: session.key.stream("removal/order"))
  }

  /// Trains to the end, or from where `checkpoint` was written.
  ///
  /// - Throws: `TrainingInterrupted` after a checkpoint when the session was asked to stop;
  ///   `RemovalError.notFinite` when the run diverges; `CheckpointUseError.otherRun`.
  func run(resuming checkpoint: Checkpoint?) throws {
    if let checkpoint { try restore(checkpoint) }
    let (training, perEpoch) = (task.training, walk.stepsPerEpoch)
    let (schedule, steps) = (training.resolvedSchedule, training.epochs * walk.stepsPerEpoch)
    session.tell(.stage(name: task.attack, step: step, steps: steps))
    try model.state.setTrainable(false)
    for entry in task.moving { try entry.tensor.setRequiresGradient(true) }
    defer { try? model.state.setTrainable(true) }
    while step < steps {
      optimizer.learningRate =
        training.learningRate * schedule.factor(at: Double(step) / Double(perEpoch))
      let samples = try trainStep(epoch: step / perEpoch)
      step += 1
      if step % perEpoch == 0 {
        let mean = lossSum / Double(perEpoch)
        session.tell(
          .metric(
            MetricValue(Metric.trainLoss, mean, count: task.images.count), stage: task.attack,
            step: step))
        lossSum = 0
      }
      try session.finished(
        stage: task.attack, step: step, of: steps, samples: samples, snapshot: snapshot)
    }
    try model.state.clearGradients()
  }

  private func trainStep(epoch: Int) throws -> Int {
    let batch = try walk.batch(step: step)
    let input = try task.input(batch, epoch, step)
    let loss = try task.loss(
      SurrogateStep(
        input: input, labels: batch.labels.to(session.device), indices: batch.indices, epoch: epoch)
    )
    try model.state.clearGradients()
    try loss.backward()
    try optimizer.step()
    try task.afterUpdate()
    let value = try loss.item()
    guard value.isFinite else { throw RemovalError.notFinite(attack: task.attack, epoch: epoch) }
    lossSum += value
    return batch.indices.count
  }

  // MARK: Checkpoints

  private static let owner = "removal"

  private func snapshot() throws -> Checkpoint {
    Checkpoint(
      weights: StateDict(try model.state.snapshot().map { ($0.name, $0.tensor) }),
      architecture: try JSONValue(encoding: model.architecture),
      optimizer: Checkpoint.Optimizer(
        tensors: StateDict(optimizer.state.map { ($0.name, $0.tensor) }),
        settings: try JSONValue(encoding: task.training)),
      progress: Checkpoint.Progress(
        stage: task.attack, epoch: step / walk.stepsPerEpoch, step: step, seed: session.seed),
      states: [Self.owner: StateDict([("loss_sum", try Tensor([lossSum]))])],
      notes: [Self.owner: task.identity])
  }

  private func restore(_ checkpoint: Checkpoint) throws {
    guard checkpoint.progress.stage == task.attack else {
      throw CheckpointUseError.otherRun("its attack is '\(checkpoint.progress.stage)'")
    }
    guard checkpoint.progress.seed == session.seed else {
      throw CheckpointUseError.otherRun("its seed is \(checkpoint.progress.seed)")
    }
    guard checkpoint.notes[Self.owner] == task.identity else {
      throw CheckpointUseError.otherRun("its model, images or settings differ")
    }
    try model.load(checkpoint)
    try optimizer.load(
      checkpoint.optimizer?.tensors.pairs.map { (name: $0.0, tensor: $0.1) } ?? [])
    step = checkpoint.progress.step
    lossSum = try checkpoint.states[Self.owner]?["loss_sum"]?.item() ?? 0
  }
}
