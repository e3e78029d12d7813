import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// Trains a second network before the host's first step, with the host's own data and settings.
struct CompanionTrainer {
  let context: HostContext
  /// Names the stage in the log and the network's random numbers.
  let stage: String
  /// Length of its training, as a share of the host's; at least one step.
  var share = 1.0

  /// Trains with the host's schedule, stretched to its own length.
  ///
  /// - Parameters:
  ///   - model: the network, with fresh weights.
  ///   - loss: of one step, a scalar; called inside the run's precision.
  /// - Returns: steps made.
  /// - Throws: `TrainingInterrupted` when the session was asked to stop; nothing is kept then, and the
  ///   same training begins anew, bit for bit, when the run goes on.
  func train(_ model: ImageClassifier, loss: (HostPass) throws -> Tensor) throws -> Int {
    let (training, session) = (context.training, context.session)
    let optimizer = SGD(
      model.state.parameters, learningRate: training.learningRate, momentum: training.momentum,
      weightDecay: training.weightDecay, nesterov: training.nesterov)
    let key = session.key.stream(stage)
    var walk = BatchWalk(
      context.data.train, batchSize: training.batchSize, key: key.stream("order"))
    let schedule = training.resolvedSchedule
    let perEpoch = walk.stepsPerEpoch
    let steps = max(1, Int((Double(training.epochs * perEpoch) * share).rounded()))
    session.tell(.stage(name: stage, step: 0, steps: steps))
    for step in 0..<steps {
      optimizer.learningRate =
        training.learningRate * schedule.factor(at: Double(step) / Double(perEpoch) / share)
      let batch = try walk.batch(step: step)
      let pass = HostPass(
        images: try context.view(batch.images, key: key.stream("view").step(step)),
        labels: try batch.labels.to(session.device), step: step, epoch: step / perEpoch)
      let loss = try session.inPrecision { try loss(pass) }
      try model.state.clearGradients()
      try loss.backward()
      try optimizer.step()
      session.tell(
        .step(stage: stage, step: step + 1, steps: steps, samples: batch.indices.count))
      try session.stopIfAsked(stage: stage, step: step + 1)
    }
    return steps
  }
}
