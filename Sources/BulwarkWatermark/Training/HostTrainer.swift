import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Trains a marked model: ordinary supervised training with the same optimizer, schedule, order and views
/// as `SupervisedTrainer`, and a scheme that takes part in every step and may set another pace.
public final class HostTrainer {
  /// Name of the stage in which the host learns.
  public static let stage = "host"

  /// The model that is trained.
  public let model: ImageClassifier
  /// All numbers measured so far.
  public private(set) var history = MetricHistory()
  /// Steps done.
  public private(set) var step = 0
  private let options: WatermarkOptions
  private let context: HostContext
  private let procedure: any WatermarkProcedure
  private let optimizer: SGD
  private var walk: BatchWalk
  /// Of the model that the host starts from; nil for fresh weights.
  private let startDigest: String?
  private var lossSum = 0.0
  private var isPrepared = false
  /// Whether the trained model has been measured: then the run is over.
  private var isMeasured = false

  /// The key, with what the scheme has chosen for it.
  var key: WatermarkKey { procedure.chosenKey ?? context.key }
  private var training: SupervisedOptions { context.training }
  private var session: TrainingSession { context.session }
  private var data: TrainingData { context.data }

  /// Prepares a run; nothing is trained yet.
  ///
  /// - Parameters:
  ///   - architecture: of the host.
  ///   - key: made for `data.train`.
  ///   - data: the task, and what the host is measured on.
  ///   - options: of all schemes; the key's own count.
  ///   - training: of the host.
  ///   - augmentation: random views of task images, with normalization.
  ///   - session: device, precision, random key, events, checkpoints.
  ///   - start: a trained model of this architecture, whose weights the host starts with, and which is `tilted`'s
  ///     reference; never changed. nil starts with fresh weights.
  /// - Throws: `WatermarkError`; `StateMismatch` for a start of another architecture; `TensorError`.
  public init(
    _ architecture: Architecture, key: WatermarkKey, data: TrainingData, options: WatermarkOptions,
    training: SupervisedOptions, augmentation: AugmentationPipeline, session: TrainingSession,
    start: ImageClassifier? = nil
  ) throws {
    try options.validate(key.mark.scheme)
    try key.check(data.train)
    model = try architecture.build(key: session.key.stream("weights"), device: session.device)
    if let start { try model.state.load(start.state.snapshot()) }
    startDigest = try start?.weightDigest()
    self.options = options
    // Images that become carriers under a wrong label are not trained with under the right one.
    let relabeled = key.mark.carriers?.family == .relabeled ? key.material?.positions : nil
    let held = Set(relabeled ?? [])
    let members = (0..<data.train.count).filter { !held.contains($0) }
    walk = BatchWalk(
      data.train, members: members, batchSize: training.batchSize,
      key: session.key.stream("supervised/order"))
    context = HostContext(
      model: model, data: data, key: key, training: training, augmentation: augmentation,
      stepsPerEpoch: walk.stepsPerEpoch, session: session, start: start, members: members)
    procedure = try options.procedure(context)
    optimizer = SGD(
      model.state.parameters, learningRate: training.learningRate, momentum: training.momentum,
      weightDecay: training.weightDecay, nesterov: training.nesterov)
  }

  /// Steps of the whole run.
  public var steps: Int {
    max(1, Int((Double(training.epochs * walk.stepsPerEpoch) * procedure.pace.length).rounded()))
  }

  /// What the scheme found out during the run: ingrain's label histogram, ...
  public var findings: [String: JSONValue] { procedure.findings }

  /// Trains to the end and measures.
  ///
  /// - Returns: the measurements of the marked model.
  /// - Throws: `TrainingInterrupted` after a checkpoint when the session was asked to stop;
  ///   `TrainingError.diverged` for a loss or a model that is no finite number.
  public func run() throws -> [MetricValue] {
    if !isPrepared {
      try procedure.prepare(snapshot)
      isPrepared = true
      if step == 0 { try session.keep(snapshot) }
    }
    session.tell(.stage(name: Self.stage, step: step, steps: steps))
    let schedule = training.resolvedSchedule
    let (perEpoch, pace) = (walk.stepsPerEpoch, procedure.pace)
    while step < steps {
      optimizer.learningRate =
        training.learningRate * pace.rate
        * schedule.factor(at: Double(step) / Double(perEpoch) / pace.length)
      let samples = try trainStep()
      step += 1
      if step % perEpoch == 0 {
        record(MetricValue(Metric.trainLoss, lossSum / Double(perEpoch), count: data.train.count))
        lossSum = 0
      }
      try session.finished(
        stage: Self.stage, step: step, of: steps, samples: samples, snapshot: snapshot)
    }
    try model.requireFiniteState(stage: Self.stage, step: step)
    let values = try measure()
    guard !isMeasured else { return values }
    values.forEach(record)
    isMeasured = true
    try session.keep(snapshot)
    return values
  }

  private func trainStep() throws -> Int {
    let batch = try walk.batch(step: step)
    let pass = HostPass(
      images: try context.view(
        batch.images, key: session.key.stream("supervised/view").step(step)),
      labels: try batch.labels.to(session.device), step: step, epoch: step / walk.stepsPerEpoch)
    let loss = try session.inPrecision { try procedure.loss(pass) }
    try model.state.clearGradients()
    try loss.backward()
    try optimizer.step()
    try procedure.finish(pass)
    lossSum += try TrainingError.finite(loss.item(), stage: Self.stage, step: step)
    return batch.indices.count
  }

  private func measure() throws -> [MetricValue] {
    var values = try data.evaluator.measure(model, session: session)
    let score =
      try key.hits(data.normalization)
      ?? key.score(
        normalization: data.normalization, access: .logits, probe: key.sample(of: data.train))
    if let value = try read(score) {
      values.append(MetricValue(score.metric, value, count: score.count))
    }
    return values
  }

  /// A score of the host as its users know it: behind the owner's server, where there is one.
  private func read(_ score: any WatermarkScore) throws -> Double? {
    guard
      let server = try CosineChange(servedBy: key, data.normalization, on: session.device)
    else { return try score.score(model, session: session) }
    return try ScoreRow(asking: {
      try self.model.logits(
        of: $0, self.data.normalization, through: server, session: self.session)
    }).unchecked([score])[0]
  }

  private func record(_ value: MetricValue) {
    history.record(value, stage: Self.stage, step: step)
    session.tell(.metric(value, stage: Self.stage, step: step))
  }

  /// The model that may be released: weights and how to use them, and the commitment. Nothing of
  /// scheme, settings, optimizer, order or key.
  ///
  /// - Parameter commitment: to the key of this very model.
  /// - Returns: a checkpoint without anything secret.
  /// - Throws: `TensorError`.
  public func released(_ commitment: Commitment) throws -> Checkpoint {
    var checkpoint = try model.checkpoint(data: data)
    checkpoint.notes = [
      "watermark": [
        "commitment": .string(commitment.description), "key": .string(WatermarkKey.format),
      ]
    ]
    return checkpoint
  }

  /// The key sealed to the model as it is now and to how it was trained; how a model was trained that the host started
  /// from, nobody knows.
  ///
  /// - Throws: `TensorError`.
  public func sealedKey() throws -> WatermarkKey {
    try key.sealed(
      model.checkpoint(data: data).modelDigest(), training: startDigest == nil ? training : nil,
      architecture: model.architecture)
  }

  /// Everything needed to go on from here, bit for bit. It holds traces of the key: not for release.
  public func snapshot() throws -> Checkpoint {
    var checkpoint = try model.checkpoint(data: data)
    checkpoint.optimizer = Checkpoint.Optimizer(
      tensors: StateDict(optimizer.state.map { ($0.name, $0.tensor) }), settings: try identity())
    let companion = isPrepared ? nil : procedure.companion
    checkpoint.progress = Checkpoint.Progress(
      stage: isMeasured ? "done" : companion?.stage ?? Self.stage,
      epoch: step / walk.stepsPerEpoch, step: companion?.step ?? step, seed: session.seed)
    checkpoint.history = history.series
    checkpoint.states = try procedure.states
    if let companion { checkpoint.states.merge(companion.states) { $1 } }
    checkpoint.states["watermark"] = StateDict([("loss_sum", try Tensor([lossSum]))])
    checkpoint.notes = ["watermark_training": .object(["findings": .object(procedure.findings)])]
    return checkpoint
  }

  /// What makes two runs the same, without the secret itself.
  private func identity() throws -> JSONValue {
    let secret = SHA256Digest(of: key.secret.block("identity"))
    // What is chosen in the run is no setting of it.
    var mark = key.mark
    mark.carriers = mark.carriers?.choosing(nil)
    var parts: [String: JSONValue] = [
      "training": try JSONValue(encoding: training), "options": try JSONValue(encoding: options),
      "mark": try JSONValue(encoding: mark), "secret": .string(secret.description),
    ]
    if let startDigest { parts["starting model"] = .string(startDigest) }
    return .object(parts)
  }

  /// Goes back to where a checkpoint of the same run was written.
  ///
  /// - Throws: `CheckpointUseError.otherRun` when seed, key, settings or data differ.
  public func restore(_ checkpoint: Checkpoint) throws {
    guard checkpoint.progress.seed == session.seed else {
      throw CheckpointUseError.otherRun("its seed is \(checkpoint.progress.seed)")
    }
    let (own, other) = (try identity(), checkpoint.optimizer?.settings)
    for name in ["training", "options", "mark", "secret", "starting model"]
    where own[name] != other?[name] {
      throw CheckpointUseError.otherRun("its \(name == "secret" ? "key" : name) differs")
    }
    guard try checkpoint.fingerprints["train"] == data.train.fingerprint else {
      throw CheckpointUseError.otherRun("its training data have another fingerprint")
    }
    try model.load(checkpoint)
    try optimizer.load(checkpoint.optimizer?.tensors.pairs.map { (name: $0.0, tensor: $0.1) } ?? [])
    try procedure.load(checkpoint.states)
    if let companion = procedure.companion, companion.stage == checkpoint.progress.stage {
      try companion.load(checkpoint)
      isPrepared = false
      step = 0
    } else {
      isPrepared = true
      step = checkpoint.progress.step
    }
    isMeasured = checkpoint.progress.stage == "done"
    history = MetricHistory(checkpoint.history)
    lossSum = try checkpoint.states["watermark"]?["loss_sum"]?.item() ?? 0
  }
}
