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

  /// Puts into quarantine what forms cliques in the features of stage 1, and what the bare pixels give away.
  private func fillQuarantine() throws {
    let settings = options.head
    let looksForCliques = settings.cliqueShare > 0 && options.selfSupervision.enabled
    guard looksForCliques || settings.shortcutShare > 0 else { return }
    if looksForCliques {
      let found = CliqueSuspicion(
        try neighborRanking(epoch: 0, neighbors: settings.cliqueNeighbors),
        classCount: data.train.classCount, share: settings.cliqueShare)
      cliques = found.members
      tell(found.members, of: found.classes, "form cliques in the features")
    }
    if settings.shortcutShare > 0 {
      let ranking = try SuspicionRanking.byPixels(
        of: data.train, normalization: data.normalization, key: session.key.stream("pixels"),
        device: session.device)
      let found = ShortcutSuspicion(ranking, share: settings.shortcutShare)
      shortcuts = found.members
      tell(found.members, of: found.classes, "are known by a pattern in their pixels")
    }
    history.record(
      MetricValue(
        Metric.quarantinedSamples, Double(quarantine.count), count: data.train.count),
      stage: stage.rawValue, step: step)
  }

  private func tell(_ samples: [Int], of classes: [Int], _ reason: String) {
    guard !samples.isEmpty else { return }
    let names = classes.map { data.train.classNames[$0] }.joined(separator: ", ")
    session.tell(.note("\(samples.count) samples of \(names) \(reason); no pool holds them"))
  }

  /// Positions of the samples that are not in quarantine, ascending.
  private func kept() -> [Int] {
    let left = Set(quarantine)
    return (0..<data.train.count).filter { !left.contains($0) }
  }

  func runHead() throws {
    let settings = options.head
    let key = session.key.stream("head")
    func batches() -> BatchWalk {
      BatchWalk(
        data.train, members: quarantine.isEmpty ? nil : kept(), batchSize: settings.batchSize,
        key: key)
    }
    // The search counts to the stage's time; it may make the stage some steps shorter than this says.
    session.tell(
      .stage(name: stage.rawValue, step: step, steps: settings.epochs * batches().stepsPerEpoch))
    if step == 0 { try fillQuarantine() }
    var walk = batches()
    let steps = settings.epochs * walk.stepsPerEpoch
    let isFrozen = options.selfSupervision.enabled
    optimizer.learningRate = settings.learningRate
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
