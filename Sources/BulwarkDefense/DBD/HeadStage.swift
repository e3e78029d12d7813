import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// Stage 2: a linear head on the frozen backbone, all given labels (paper section 4.3; fact sheet 1.3).
extension DBDTrainer {
  /// Loss of stage 2 and of the filter, one value a sample.
  func perSampleLoss(_ logits: Tensor, _ labels: Tensor) throws -> Tensor {
    switch options.head.loss {
    case .symmetric:
      try SymmetricCrossEntropy(alpha: options.head.alpha, beta: options.head.beta)
        .perSample(logits, labels)
    case .crossEntropy:
      try logits.crossEntropy(labels, perSample: true)
    }
  }

  func runHead() throws {
    let settings = options.head
    let key = session.key.stream("head")
    var walk = BatchWalk(data.train, batchSize: settings.batchSize, key: key)
    let steps = settings.epochs * walk.stepsPerEpoch
    let isFrozen = options.selfSupervision.enabled
    optimizer.learningRate = settings.learningRate
    session.tell(.stage(name: stage.rawValue, step: step, steps: steps))
    while step < steps {
      let batch = try walk.batch(step: step)
      let images = try views.weak(
        batch.images.to(session.device), key: key.stream("view").step(step))
      let labels = try batch.labels.to(session.device)
      let loss = try session.inPrecision {
        // Frozen means no gradient; batch norm still uses, and learns, batch statistics: so does the
        // official code, and the filter depends on it.
        let features =
          isFrozen
          ? try withoutGradients { try model.features(images, .training) }
          : try model.features(images, .training)
        return try perSampleLoss(model.head(features).to(.float32), labels).mean()
      }
      // Gradients of the backbone stay undefined, not zero: Adam leaves its state untouched.
      try model.state.clearGradients()
      try loss.backward()
      try optimizer.step()
      lossSum += try TrainingError.finite(loss.item(), stage: stage.rawValue, step: step)
      step += 1
      if step % walk.stepsPerEpoch == 0 {
        record(
          MetricValue(
            Metric.trainLoss, lossSum / Double(walk.stepsPerEpoch), count: data.train.count),
          at: .head)
        lossSum = 0
      }
      try finishedStep(of: steps, samples: batch.indices.count)
    }
  }
}
