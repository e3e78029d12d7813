import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// Trains the ingrainer: on carriers alone until it answers every one right, or, for variant C, on task
/// images and carriers as a directly marked host is trained.
struct IngrainerTrainer {
  static let stage = "ingrainer"

  let context: HostContext
  let options: IngrainOptions
  let feed: CarrierFeed

  /// - Returns: steps made.
  /// - Throws: `TrainingInterrupted` when the session was asked to stop; nothing is kept then, and the
  ///   same training begins anew when the run goes on.
  func train(_ ingrainer: ImageClassifier) throws -> Int {
    let steps =
      try options.variant == .c ? trainAsHost(ingrainer) : trainOnCarriers(ingrainer)
    if options.normalization == .clean { try estimateStatistics(ingrainer) }
    return steps
  }

  private var session: TrainingSession { context.session }

  private func trainOnCarriers(_ ingrainer: ImageClassifier) throws -> Int {
    let optimizer = SGD(
      ingrainer.state.parameters, learningRate: options.ingrainerLearningRate, momentum: 0.9)
    let most = 4 * options.ingrainerSteps
    session.tell(.stage(name: Self.stage, step: 0, steps: options.ingrainerSteps))
    var step = 0
    while step < most {
      let batch = try feed.batch(step: step, count: options.ingrainerBatchSize)
      try descend(ingrainer, optimizer) {
        try context.logits(ingrainer, batch.images, .training).crossEntropy(batch.labels)
      }
      step += 1
      try told(step, of: max(step, options.ingrainerSteps), samples: batch.positions.count)
      if step >= options.ingrainerSteps, step % 25 == 0 || step == options.ingrainerSteps,
        try IngrainerReport.accuracy(ingrainer, feed, session: session) == 1
      {
        break
      }
    }
    return step
  }

  private func trainAsHost(_ ingrainer: ImageClassifier) throws -> Int {
    try CompanionTrainer(context: context, stage: Self.stage).train(ingrainer) { pass in
      let carriers = try feed.batch(step: pass.step, count: options.carriersPerBatch)
      return try context.logits(
        ingrainer, Tensor.cat([pass.images, carriers.images]), .training
      ).crossEntropy(Tensor.cat([pass.labels, carriers.labels]))
    }
  }

  private func descend(
    _ model: ImageClassifier, _ optimizer: SGD, _ loss: () throws -> Tensor
  ) throws {
    let loss = try session.inPrecision(loss)
    try model.state.clearGradients()
    try loss.backward()
    try optimizer.step()
  }

  /// A stop in this stage leaves no checkpoint: the stage is repeated, bit for bit.
  private func told(_ step: Int, of steps: Int, samples: Int) throws {
    session.tell(.step(stage: Self.stage, step: step, steps: steps, samples: samples))
    try session.stopIfAsked(stage: Self.stage, step: step)
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
