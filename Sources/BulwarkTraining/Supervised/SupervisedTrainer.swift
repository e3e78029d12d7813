import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor

/// Ordinary supervised training: the undefended reference, and the trainer of clean models.
public final class SupervisedTrainer {
  /// Name of the only stage.
  public static let stage = "supervised"

  /// The model that is trained.
  public let model: ImageClassifier
  /// All numbers measured so far.
  public private(set) var history = MetricHistory()
  /// Steps done.
  public private(set) var step = 0
  private let data: TrainingData
  private let options: SupervisedOptions
  private let augmentation: AugmentationPipeline
  private let session: TrainingSession
  private let optimizer: SGD
  private var walk: BatchWalk
  private var lossSum = 0.0
  /// Whether the trained model has been measured: then the run is over.
  private var isMeasured = false

  /// Prepares a run; nothing is computed yet.
  public init(
    _ architecture: Architecture, data: TrainingData, options: SupervisedOptions,
    augmentation: AugmentationPipeline, session: TrainingSession
  ) throws {
    model = try architecture.build(key: session.key.stream("weights"), device: session.device)
    self.data = data
    self.options = options
    self.augmentation = augmentation
    self.session = session
    optimizer = SGD(
      model.state.parameters, learningRate: options.learningRate, momentum: options.momentum,
      weightDecay: options.weightDecay, nesterov: options.nesterov)
    walk = BatchWalk(
      data.train, batchSize: options.batchSize, key: session.key.stream("supervised/order"))
  }

  /// Steps of the whole run.
  public var steps: Int { options.epochs * walk.stepsPerEpoch }

  /// Trains to the end and measures.
  ///
  /// - Returns: the measurements of the trained model.
  /// - Throws: `TrainingInterrupted` after a checkpoint when the session was asked to stop.
  public func run() throws -> [MetricValue] {
    session.tell(.stage(name: Self.stage, step: step, steps: steps))
    let schedule = options.resolvedSchedule
    let perEpoch = walk.stepsPerEpoch
    while step < steps {
      optimizer.learningRate =
        options.learningRate * schedule.factor(at: Double(step) / Double(perEpoch))
      let samples = try trainStep()
      step += 1
      if step % perEpoch == 0 {
        record(MetricValue(Metric.trainLoss, lossSum / Double(perEpoch), count: data.train.count))
        lossSum = 0
      }
      try session.finished(stage: Self.stage, step: step, of: steps, samples: samples) {
        try snapshot()
      }
    }
    try model.requireFiniteState(stage: Self.stage, step: step)
    let values = try data.evaluator.measure(model, session: session)
    guard !isMeasured else { return values }
    values.forEach(record)
    isMeasured = true
    try session.keep(snapshot)
    return values
  }

  private func trainStep() throws -> Int {
    let batch = try walk.batch(step: step)
    let pixels = try batch.images.to(session.device)
    let images =
      options.augment
      ? try augmentation.apply(pixels, key: session.key.stream("supervised/view").step(step))
      : try data.normalization.prepare(pixels, on: session.device)
    let labels = try batch.labels.to(session.device)
    let loss = try session.inPrecision {
      try model.logits(images, .training).to(.float32).crossEntropy(
        labels, labelSmoothing: options.labelSmoothing)
    }
    try model.state.clearGradients()
    try loss.backward()
    try optimizer.step()
    lossSum += try TrainingError.finite(loss.item(), stage: Self.stage, step: step)
    return batch.indices.count
  }

  private func record(_ value: MetricValue) {
    history.record(value, stage: Self.stage, step: step)
    session.tell(.metric(value, stage: Self.stage, step: step))
  }

  /// Everything needed to go on from here, bit for bit.
  public func snapshot() throws -> Checkpoint {
    var checkpoint = try model.checkpoint(data: data)
    checkpoint.optimizer = Checkpoint.Optimizer(
      tensors: StateDict(optimizer.state.map { ($0.name, $0.tensor) }),
      settings: try JSONValue(encoding: options))
    checkpoint.progress = Checkpoint.Progress(
      stage: isMeasured ? "done" : Self.stage, epoch: step / walk.stepsPerEpoch, step: step,
      seed: session.seed)
    checkpoint.history = history.series
    checkpoint.states["loss_sum"] = StateDict([("value", try Tensor([lossSum]))])
    return checkpoint
  }

  /// Goes back to where a checkpoint of the same run was written.
  ///
  /// - Throws: `CheckpointUseError.otherRun` when seed, options or data differ; `StateMismatch`.
  public func restore(_ checkpoint: Checkpoint) throws {
    guard checkpoint.progress.seed == session.seed else {
      throw CheckpointUseError.otherRun("its seed is \(checkpoint.progress.seed)")
    }
    guard try checkpoint.optimizer?.settings == JSONValue(encoding: options) else {
      throw CheckpointUseError.otherRun("its settings differ")
    }
    guard try checkpoint.fingerprints["train"] == data.train.fingerprint else {
      throw CheckpointUseError.otherRun("its training data have another fingerprint")
    }
    try model.load(checkpoint)
    try optimizer.load(checkpoint.optimizer?.tensors.pairs.map { (name: $0.0, tensor: $0.1) } ?? [])
    step = checkpoint.progress.step
    isMeasured = checkpoint.progress.stage == "done"
    history = MetricHistory(checkpoint.history)
    lossSum = try checkpoint.states["loss_sum"]?["value"]?.item() ?? 0
  }
}
