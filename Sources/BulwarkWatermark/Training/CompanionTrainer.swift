import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Trains a second network before the host's first step, with the host's own data and settings.
struct CompanionTrainer {
  let context: HostContext
  /// Length of its training, as a share of the host's; at least one step.
  var share = 1.0

  /// A network with fresh weights that is to be trained with the host's optimizer.
  ///
  /// - Parameters:
  ///   - model: the network.
  ///   - stage: names the stage and the network's random numbers.
  /// - Returns: the network before its first step.
  func companion(_ model: ImageClassifier, stage: String) -> Companion {
    let training = context.training
    return Companion(
      model, stage: stage,
      optimizer: SGD(
        model.state.parameters, learningRate: training.learningRate, momentum: training.momentum,
        weightDecay: training.weightDecay, nesterov: training.nesterov),
      session: context.session)
  }

  /// Trains with the host's schedule, stretched to its own length; goes on where the companion is.
  ///
  /// - Parameters:
  ///   - companion: made by `companion(_:stage:)`.
  ///   - snapshot: of the whole run.
  ///   - loss: of one step, a scalar; called inside the run's precision.
  /// - Throws: `TrainingInterrupted` after a checkpoint when the session was asked to stop;
  ///   `TrainingError.diverged`.
  func train(
    _ companion: Companion, snapshot: () throws -> Checkpoint, loss: (HostPass) throws -> Tensor
  ) throws {
    let (training, session) = (context.training, context.session)
    let key = session.key.stream(companion.stage)
    var walk = BatchWalk(
      context.data.train, members: context.members, batchSize: training.batchSize,
      key: key.stream("order"))
    let schedule = training.resolvedSchedule
    let perEpoch = walk.stepsPerEpoch
    let steps = max(1, Int((Double(training.epochs * perEpoch) * share).rounded()))
    session.tell(.stage(name: companion.stage, step: companion.step, steps: steps))
    while companion.step < steps {
      let step = companion.step
      companion.optimizer.learningRate =
        training.learningRate * schedule.factor(at: Double(step) / Double(perEpoch) / share)
      let batch = try walk.batch(step: step)
      let pass = HostPass(
        images: try context.view(batch.images, key: key.stream("view").step(step)),
        labels: try batch.labels.to(session.device), step: step, epoch: step / perEpoch)
      try companion.descend(of: steps, samples: batch.indices.count, snapshot: snapshot) {
        try loss(pass)
      }
    }
    try companion.model.requireFiniteState(stage: companion.stage, step: companion.step)
  }
}
