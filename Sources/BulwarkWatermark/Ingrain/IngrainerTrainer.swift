import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Trains the ingrainer: on carriers alone until it answers every one right, or, for variant C, on task
/// images and carriers as a directly marked host is trained.
struct IngrainerTrainer {
  static let stage = "ingrainer"

  let context: HostContext
  let options: IngrainOptions
  let feed: CarrierFeed

  /// An ingrainer with fresh weights, before its first step.
  static func companion(
    _ ingrainer: ImageClassifier, _ context: HostContext, _ options: IngrainOptions
  ) -> Companion {
    guard options.variant != .c else {
      return CompanionTrainer(context: context).companion(ingrainer, stage: stage)
    }
    return Companion(
      ingrainer, stage: stage,
      optimizer: SGD(
        ingrainer.state.parameters, learningRate: options.ingrainerLearningRate, momentum: 0.9),
      session: context.session)
  }

  /// Trains to the end; goes on where the companion is.
  ///
  /// - Parameters:
  ///   - companion: made by `companion(_:_:_:)`.
  ///   - snapshot: of the whole run.
  /// - Throws: `TrainingInterrupted` after a checkpoint when the session was asked to stop;
  ///   `TrainingError.diverged`.
  func train(_ companion: Companion, snapshot: () throws -> Checkpoint) throws {
    if options.variant == .c {
      try trainAsHost(companion, snapshot)
    } else {
      try trainOnCarriers(companion, snapshot)
    }
    let ingrainer = companion.model
    if options.normalization == .clean { try estimateStatistics(ingrainer) }
    try ingrainer.requireFiniteState(stage: Self.stage, step: companion.step)
  }

  private var session: TrainingSession { context.session }

  private func trainOnCarriers(_ companion: Companion, _ snapshot: () throws -> Checkpoint) throws {
    let most = 4 * options.ingrainerSteps
    let steps = max(companion.step, options.ingrainerSteps)
    session.tell(.stage(name: Self.stage, step: companion.step, steps: steps))
    while companion.step < most, try !knowsCarriers(companion) {
      let batch = try feed.batch(step: companion.step, count: options.ingrainerBatchSize)
      try companion.descend(
        of: max(companion.step + 1, options.ingrainerSteps), samples: batch.positions.count,
        snapshot: snapshot
      ) {
        try context.logits(companion.model, batch.images, .training).crossEntropy(batch.labels)
      }
    }
  }

  /// Whether every carrier is answered right: looked at after the least number of steps, and then after
  /// every 25th.
  private func knowsCarriers(_ companion: Companion) throws -> Bool {
    let step = companion.step
    guard step >= options.ingrainerSteps, step % 25 == 0 || step == options.ingrainerSteps else {
      return false
    }
    return try IngrainerReport.accuracy(companion.model, feed, session: session) == 1
  }

  private func trainAsHost(_ companion: Companion, _ snapshot: () throws -> Checkpoint) throws {
    try CompanionTrainer(context: context).train(companion, snapshot: snapshot) { pass in
      let carriers = try feed.batch(step: pass.step, count: options.carriersPerBatch)
      return try context.logits(
        companion.model, Tensor.cat([pass.images, carriers.images]), .training
      ).crossEntropy(
        Tensor.cat([pass.labels, carriers.labels]), labelSmoothing: context.training.labelSmoothing)
    }
  }

  /// Running statistics from one pass over up to 100 batches of task images, without an update. Gan et al.
  /// (ICCV 2023, section 3.3) normalize marked batches by clean statistics for the same reason.
  private func estimateStatistics(_ ingrainer: ImageClassifier) throws {
    let key = session.key.stream("ingrainer/statistics")
    var walk = BatchWalk(
      context.data.train, batchSize: context.training.batchSize, key: key.stream("order"))
    try withoutGradients {
      for step in 0..<min(100, max(30, walk.stepsPerEpoch)) {
        let batch = try walk.batch(step: step)
        let images = try context.view(batch.images, key: key.stream("view").step(step))
        _ = try session.inPrecision { try ingrainer.logits(images, .training) }
      }
    }
  }
}
