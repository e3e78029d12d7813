import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// Stage 3: MixMatch (Berthelot et al. 2019) on the whole network (DBD section 4.4; fact sheet 1.4).
extension DBDTrainer {
  func runSemiSupervision() throws {
    let settings = options.semiSupervision
    guard settings.method != .none else { return }
    let perEpoch = settings.stepsPerEpoch
    let steps = settings.epochs * perEpoch
    session.tell(.stage(name: stage.rawValue, step: step, steps: steps))
    if step == 0 { try average?.restart(from: model.state) }
    let inoculation =
      settings.method == .mixMatch && settings.inoculation > 0 && !quarantine.isEmpty
      ? try Inoculation(data.train, quarantine: quarantine) : nil
    while step < steps {
      let epoch = step / perEpoch
      // A run that resumes inside an epoch goes on with the split it was written with.
      let split: LossSplit
      if let current = self.split, step % perEpoch != 0 {
        split = current
      } else {
        split = try splitAnew(epoch: epoch)
        self.split = split
      }
      let key = session.key.stream("semi_supervision").step(epoch)
      let needsUnlabeled = settings.method == .mixMatch
      guard !split.labeled.isEmpty, !(needsUnlabeled && split.unlabeled.isEmpty) else {
        throw DBDError.emptyPool(
          labeled: split.labeled.count, unlabeled: split.unlabeled.count)
      }
      let sizes = settings.batchSizes(labeledPool: split.labeled.count)
      var labeled = BatchWalk(
        data.train, members: split.labeled, batchSize: sizes.labeled,
        key: key.stream("labeled"), dropLast: true)
      var unlabeled =
        needsUnlabeled
        ? BatchWalk(
          data.train, members: split.unlabeled.repeated(to: sizes.unlabeled),
          batchSize: sizes.unlabeled, key: key.stream("unlabeled"), dropLast: true) : nil
      while step < (epoch + 1) * perEpoch {
        let within = step % perEpoch
        fineTuner.learningRate = rate(step: step, of: steps)
        let stepKey = key.stream("view").step(within)
        let known = try labeled.batch(step: within)
        let loss: Tensor
        if let others = try unlabeled?.batch(step: within) {
          loss = try mixMatchLoss(
            labeled: known, unlabeled: others, inoculation: inoculation,
            weight: unlabeledWeight(epoch: epoch, step: within), key: stepKey)
        } else {
          loss = try tuningLoss(known, key: stepKey)
        }
        try model.state.clearGradients()
        try loss.backward()
        try fineTuner.step()
        try average?.update(from: model.state)
        lossSum += try TrainingError.finite(loss.item(), stage: stage.rawValue, step: step)
        step += 1
        if step == (epoch + 1) * perEpoch { try finishEpoch(epoch, of: settings.epochs) }
        try finishedStep(
          of: steps, samples: sizes.labeled + (needsUnlabeled ? sizes.unlabeled : 0))
      }
    }
    try average?.putInto(model.state)
  }

  private func splitAnew(epoch: Int) throws -> LossSplit {
    let filter = options.filter
    let ranking = try withAverage {
      epoch < filter.neighborEpochs
        ? try neighborRanking(epoch: epoch, neighbors: filter.neighbors).raising(quarantine)
        : try currentRanking(epoch: epoch)
    }
    if filter.suspectThreshold > 0 {
      let suspicion = contradictions(in: ranking)
      // Once suspected, always suspected: the model forgets its contradictions while it learns a class.
      if epoch >= filter.suspectFromEpoch {
        let found = suspects(by: suspicion)
        tellSuspects(found, suspicion)
        contradictedClasses = Set(contradictedClasses).union(found).sorted()
      }
      record(
        MetricValue(
          Metric.classContradiction, suspicion.contradiction.max() ?? 0, count: data.train.count),
        at: .semiSupervision)
    }
    let goesByClass = filter.suspectThreshold > 0 && epoch >= filter.suspectFromEpoch
    let split =
      suspectedClasses.isEmpty || !goesByClass
      ? LossSplit(
        ranking, count: labeledCount(epoch: epoch), perClass: filter.perClass,
        excluding: Set(quarantine))
      : LossSplit(
        ranking, suspects: Set(contradictedClasses), suspectShare: labeledShare(epoch: epoch),
        trustedShare: filter.trustedShare, suspectLimit: filter.suspectLimit,
        cleared: Set(suspectedClasses).subtracting(contradictedClasses),
        clearedShare: filter.cliqueRestShare,
        excluding: Set(quarantine))
    for value in ranking.evidence(knownPoisons: data.knownPoisons, split: split) {
      record(value, at: .semiSupervision)
    }
    return split
  }

  /// How strongly the model contradicts each class. A clique agrees with its class by its trigger alone and does not
  /// count. What the pixels give away does: a model that was not trained on it contradicts it, as it does the rest
  /// of the poisons, which the pixels may not give away.
  func contradictions(in ranking: SuspicionRanking) -> ClassSuspicion {
    ClassSuspicion(ranking, classCount: data.train.classCount, excluding: Set(cliques))
  }

  /// The classes that stand out by their contradictions, beside those that hold samples in quarantine.
  func suspects(by suspicion: ClassSuspicion) -> [Int] {
    suspicion.suspects(
      threshold: options.filter.suspectThreshold, ratio: options.filter.suspectRatio,
      attacked: Set(quarantine.map { data.train.labels[$0] }))
  }

  /// Where a class is contradicted for the first time, names all that are, and how far they stand out.
  private func tellSuspects(_ found: [Int], _ suspicion: ClassSuspicion) {
    guard !Set(found).isSubset(of: contradictedClasses) else { return }
    func told(_ classes: some Sequence<Int>) -> String {
      classes.map { label in
        let rounded = (1000 * suspicion.contradiction[label]).rounded() / 1000
        return "\(data.train.classNames[label]) (\(rounded))"
      }.joined(separator: ", ")
    }
    let others = suspicion.contradiction.indices.filter { !found.contains($0) }
      .sorted { suspicion.contradiction[$0] > suspicion.contradiction[$1] }
    session.tell(
      .note(
        "suspected of being an attack's target, by contradiction: \(told(found)); "
          + "next would be \(told(others.prefix(2)))"))
  }

  /// Does `body` with the averaged weights where there are any.
  private func withAverage<Result>(_ body: () throws -> Result) throws -> Result {
    guard let average else { return try body() }
    try average.exchange(with: model.state)
    let result = Swift.Result { try body() }
    try average.exchange(with: model.state)
    return try result.get()
  }

  private func finishEpoch(_ epoch: Int, of epochs: Int) throws {
    let perEpoch = options.semiSupervision.stepsPerEpoch
    record(
      MetricValue(Metric.trainLoss, lossSum / Double(perEpoch), count: data.train.count),
      at: .semiSupervision)
    lossSum = 0
    let every = options.semiSupervision.measureEvery
    if epoch + 1 < epochs, every > 0, (epoch + 1) % every == 0 {
      for value in try withAverage({ try data.evaluator.measure(model, session: session) }) {
        record(value, at: .semiSupervision)
      }
    }
  }

  private func rate(step: Int, of steps: Int) -> Double {
    let schedule =
      options.semiSupervision.cosine ? Schedule.cosine(total: Double(steps)) : Schedule.constant
    let own = options.semiSupervision.learningRate
    return (own > 0 ? own : options.head.learningRate) * schedule.factor(at: Double(step))
  }

  /// λ_u grows linearly over `rampEpochs`, counted from the start of stage 2.
  func unlabeledWeight(epoch: Int, step: Int) -> Double {
    let settings = options.semiSupervision
    let time =
      Double(options.head.epochs + epoch) + Double(step) / Double(settings.stepsPerEpoch)
    return settings.unlabeledWeight * min(1, time / Double(max(settings.rampEpochs, 1)))
  }

  private func tuningLoss(_ batch: ImageDataset.Batch, key: RandomKey) throws -> Tensor {
    let images = try views.weak(batch.images.to(session.device), key: key)
    let labels = try batch.labels.to(session.device)
    return try session.inPrecision {
      try model.logits(images, .training).to(.float32).crossEntropy(labels)
    }
  }

  private func mixMatchLoss(
    labeled: ImageDataset.Batch, unlabeled: ImageDataset.Batch, inoculation: Inoculation?,
    weight: Double, key: RandomKey
  ) throws -> Tensor {
    let settings = options.semiSupervision
    let device = session.device
    let pixels = try unlabeled.images.to(device)
    let known =
      try inoculation?.applied(
        to: labeled.images, share: settings.inoculation, key: key.stream("inoculation"))
      ?? labeled.images
    let x = try views.weak(known.to(device), key: key.stream("labeled"))
    let first = try views.weak(pixels, key: key.stream("first"))
    let second = try views.weak(pixels, key: key.stream("second"))
    let targets = try labeled.labels.to(device).oneHot(data.train.classNames.count)
    // The official code guesses in training mode: batch norm uses and learns batch statistics.
    let guess = try withoutGradients {
      try session.inPrecision {
        try MixMatch.sharpened(
          [model.logits(first, .training), model.logits(second, .training)],
          temperature: settings.temperature)
      }
    }
    let mixed = try MixMatch.mixed(
      inputs: [x, first, second], targets: [targets, guess, guess], alpha: settings.mixupAlpha,
      key: key.stream("mixup"))
    guard settings.unlabeledBatchSize == 0 else {
      let all = try session.inPrecision { try model.logits(Tensor.cat(mixed.inputs), .training) }
      return try MixMatch.loss(
        MixMatch.separated(all.to(.float32), like: mixed.targets), mixed.targets, weight: weight)
    }
    let groups = try MixMatch.interleaved(mixed.inputs)
    let outputs = try MixMatch.interleaved(
      groups.map { group in try session.inPrecision { try model.logits(group, .training) } })
    return try MixMatch.loss(outputs.map { try $0.to(.float32) }, mixed.targets, weight: weight)
  }
}

extension DBDOptions.SemiSupervision {
  /// Labeled and unlabeled images of a step. A labeled pool smaller than a batch makes the batch smaller; of
  /// an unlabeled one, however small, images come several times a step, each in views of its own.
  func batchSizes(labeledPool: Int) -> (labeled: Int, unlabeled: Int) {
    let labeled = min(batchSize, labeledPool)
    return (labeled, unlabeledBatchSize == 0 ? labeled : unlabeledBatchSize)
  }
}

extension [Int] {
  /// As often the whole of it as gives at least `count` elements; itself where it has that many.
  func repeated(to count: Int) -> [Int] {
    guard !isEmpty, self.count < count else { return self }
    return [Int](repeatElement(self, count: (count + self.count - 1) / self.count).joined())
  }
}
