import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkDefense

/// Fifty embedded digits a class-balanced subset of two classes, with a patch on some of them.
private func patchedDigits() throws -> TrainingData {
  let bundle = try DataSource.load("digits", options: DataOptions(limit: 160, testLimit: 60))
  let set = bundle.train
  var pixels = try set.images.bytes()
  var labels = set.labels
  let (height, width) = (set.height, set.width)
  let poisons = set.labels.indices.filter { set.labels[$0] != 3 }.prefix(12)
  for index in poisons {
    labels[index] = 3
    for y in (height - 3)..<height {
      for x in (width - 3)..<width { pixels[(index * height + y) * width + x] = 255 }
    }
  }
  let train = try ImageDataset(
    images: Tensor(pixels, shape: set.images.shape), labels: labels, classNames: set.classNames)
  let statistics = try train.channelStatistics()
  return TrainingData(
    train: train,
    evaluator: Evaluator(
      test: bundle.test, triggered: nil,
      normalization: Normalize(mean: statistics.mean, deviation: statistics.deviation)),
    knownPoisons: Array(poisons))
}

@Suite("DBD, stage by stage")
struct DBDTrainerTests {
  private func options() -> DBDOptions {
    var options = DBDOptions()
    options.selfSupervision.epochs = 2
    options.selfSupervision.batchSize = 64
    options.head.epochs = 2
    options.semiSupervision.epochs = 2
    options.semiSupervision.stepsPerEpoch = 3
    options.semiSupervision.batchSize = 16
    options.semiSupervision.averageDecay = 0.9
    return options
  }

  private func trainer(_ session: TrainingSession, _ options: DBDOptions) throws -> DBDTrainer {
    let data = try patchedDigits()
    let size = data.train.height
    return try DBDTrainer(
      Architecture(.smallCNN, width: 4, classes: 10, channels: 1), data: data, options: options,
      views: DBDViews(
        contrastive: AugmentationPipeline([
          .randomResizedCrop(RandomResizedCrop(height: size, width: size)),
          .normalize(data.normalization),
        ]),
        weak: AugmentationPipeline([
          .padCrop(PadCrop(padding: 1)), .normalize(data.normalization),
        ])), session: session)
  }

  private func expectSameEnd(_ settings: DBDOptions, seed: UInt64, stopAt: Int) throws {
    try BulwarkDefenseTests.expectSameEnd(seed: seed, stopAt: stopAt) { try trainer($0, settings) }
  }

  @Test(
    "A run stopped in any stage and resumed ends with the same bytes",
    arguments: [1, 3, 5, 8, 10, 12, 14])
  func resumes(stopAt: Int) throws { try expectSameEnd(options(), seed: 3, stopAt: stopAt) }

  @Test(
    "So does a run that ranks with averaged weights and takes few unlabeled images",
    arguments: [11, 12, 13])
  func resumesWithFewUnlabeled(stopAt: Int) throws {
    var settings = options()
    settings.semiSupervision.unlabeledBatchSize = 4
    settings.semiSupervision.measureEvery = 0
    settings.filter.suspectThreshold = 1e-9
    settings.filter.suspectFromEpoch = 0
    try expectSameEnd(settings, seed: 4, stopAt: stopAt)
  }

  @Test("So does a run whose stage 3 has an update rule of its own", arguments: [10, 12, 14])
  func resumesWithSGD(stopAt: Int) throws {
    var settings = options()
    settings.semiSupervision.optimizer = .sgd
    settings.semiSupervision.learningRate = 0.05
    settings.semiSupervision.weightDecay = 5e-4
    try expectSameEnd(settings, seed: 5, stopAt: stopAt)
  }

  @Test("Stage 3 begins alike from a run with the other update rule", arguments: [false, true])
  func startsFromOtherRule(fromSGD: Bool) throws {
    var sgd = options()
    sgd.semiSupervision.optimizer = .sgd
    sgd.semiSupervision.learningRate = 0.05
    let (first, second) = fromSGD ? (sgd, options()) : (options(), sgd)
    let direct = try trainer(TrainingSession(seed: 6), second)
    _ = try direct.run()
    var beforeStage3: Checkpoint?
    let other = try trainer(
      TrainingSession(
        seed: 6,
        save: {
          if $0.progress.stage == "semi_supervision", $0.progress.step == 0 { beforeStage3 = $0 }
        }), first)
    _ = try other.run()
    let branched = try trainer(TrainingSession(seed: 6), second)
    try branched.restore(#require(beforeStage3))
    _ = try branched.run()
    #expect(try bytes(branched.model) == bytes(direct.model))
    #expect(try bytes(branched.model) != bytes(other.model))
  }

  @Test("A weight decay that Adam would ignore is refused")
  func decayNeedsSGD() throws {
    var settings = options()
    settings.semiSupervision.weightDecay = 5e-4
    #expect(throws: RecipeError.self) { try settings.validate() }
    settings.semiSupervision.optimizer = .sgd
    try settings.validate()
  }

  @Test("A checkpoint keeps the suspected classes")
  func keepsSuspects() throws {
    let run = try trainer(TrainingSession(seed: 1), options())
    run.contradictedClasses = [5]
    run.shortcuts = [0]
    let suspects = [run.data.train.labels[0], 5].sorted()
    let other = try trainer(TrainingSession(seed: 1), options())
    try other.restore(run.snapshot())
    #expect(other.suspectedClasses == suspects)
    #expect(try run.snapshot().suspectedClasses() == suspects)
    #expect(other.contradictedClasses == [5])
  }

  @Test("A checkpoint keeps the quarantine, and neither pool of the split holds any of it")
  func keepsQuarantine() throws {
    let run = try trainer(TrainingSession(seed: 1), options())
    (run.cliques, run.shortcuts) = ([2], [2, 5])
    run.split = LossSplit(labeled: [0, 1], total: 8, excluding: [2, 5])
    let other = try trainer(TrainingSession(seed: 1), options())
    try other.restore(run.snapshot())
    #expect(other.quarantine == [2, 5])
    #expect(other.cliques == [2] && other.shortcuts == [2, 5])
    #expect(other.split?.unlabeled.contains(2) == false)
    #expect(other.split?.unlabeled.contains(3) == true)
  }

  @Test("What the pixels gave away still contradicts its class, a clique does not")
  func contradictions() throws {
    let run = try trainer(TrainingSession(seed: 1), options())
    let labels = run.data.train.labels
    let classes = run.data.train.classCount
    let target = labels.indices.filter { labels[$0] == 0 }
    // All of class 0 is surely called something else, spread evenly; all others are what they are.
    var predicted = labels
    for (rank, position) in target.enumerated() { predicted[position] = 1 + rank % (classes - 1) }
    let ranking = SuspicionRanking(
      scores: labels.map { _ in 0 }, predicted: predicted, labels: labels,
      confidence: labels.map { _ in 0.9 })
    let whole = run.contradictions(in: ranking)
    try #require(whole.contradiction[0] > 0.5)
    run.shortcuts = target
    #expect(run.contradictions(in: ranking) == whole)
    run.cliques = target
    #expect(run.contradictions(in: ranking).contradiction[0] == 0)
  }

  @Test("A class that stands out less than one with samples in quarantine is not suspected")
  func lesserClass() throws {
    var settings = options()
    settings.filter.suspectRatio = 0
    let run = try trainer(TrainingSession(seed: 1), settings)
    let labels = run.data.train.labels
    let classes = run.data.train.classCount
    // All of class 0 is surely called something else, spread evenly, and one sample of class 1 each class.
    var (predicted, seen) = (labels, [0, 0])
    for (position, label) in labels.enumerated() where label < 2 {
      if label == 0 || seen[1] < classes - 1 {
        predicted[position] = (label + 1 + seen[label] % (classes - 1)) % classes
      }
      seen[label] += 1
    }
    let suspicion = run.contradictions(
      in: SuspicionRanking(
        scores: labels.map { _ in 0 }, predicted: predicted, labels: labels,
        confidence: labels.map { _ in 0.9 }))
    #expect(run.suspects(by: suspicion) == [0, 1])
    run.shortcuts = [labels.firstIndex(of: 0)!]
    #expect(run.suspects(by: suspicion) == [0])
  }

  @Test("A run that looks for no shortcuts goes on where an earlier build stopped, with its clique")
  func earlierBuild() throws {
    var none = options()
    none.head.shortcutShare = 0
    let run = try trainer(TrainingSession(seed: 1), none)
    run.stage = .semiSupervision
    run.cliques = [2]
    var checkpoint = try run.snapshot()
    checkpoint.indexSets["cliques"] = nil
    guard case .object(var settings)? = checkpoint.optimizer?.settings,
      case .object(var head)? = settings["head"]
    else {
      Issue.record("settings are no object")
      return
    }
    head["shortcutShare"] = nil
    settings["head"] = .object(head)
    checkpoint.optimizer?.settings = .object(settings)
    let other = try trainer(TrainingSession(seed: 1), none)
    try other.restore(checkpoint)
    #expect(other.cliques == [2] && other.shortcuts.isEmpty)
    #expect(throws: CheckpointUseError.otherRun("its DBD settings differ")) {
      try trainer(TrainingSession(seed: 1), options()).restore(checkpoint)
    }
  }

  @Test("A finished run is no start for one with other settings")
  func finishedIsNoStart() throws {
    let finished = try trainer(TrainingSession(seed: 1), options())
    finished.stage = .done
    var later = options()
    later.semiSupervision.epochs = 5
    #expect(throws: CheckpointUseError.otherRun("its DBD settings differ")) {
      try trainer(TrainingSession(seed: 1), later).restore(finished.snapshot())
    }
  }

  @Test("Features that overflow are an error, not a crash")
  func overflow() throws {
    var settings = options()
    settings.selfSupervision.epochs = 1
    settings.selfSupervision.batchSize = 160
    settings.selfSupervision.learningRate = 1e18
    #expect(throws: TrainingError.self) {
      try trainer(TrainingSession(seed: 1), settings).run()
    }
  }

  @Test("At the start of a stage, settings of that stage and of later ones may differ")
  func startsFromStage() throws {
    var starts: [Checkpoint] = []
    let first = try trainer(
      TrainingSession(
        seed: 1, checkpointInterval: .infinity,
        save: { if $0.progress.step == 0 { starts.append($0) } }), options())
    _ = try first.run()
    let start = try #require(starts.first { $0.progress.stage == "semi_supervision" })
    var later = options()
    later.semiSupervision.epochs = 1
    later.filter.share = 0.3
    let second = try trainer(TrainingSession(seed: 1), later)
    try second.restore(start)
    _ = try second.run()
    #expect(second.split?.labeled.count == 48)
    var earlier = options()
    earlier.head.epochs = 1
    #expect(throws: CheckpointUseError.otherRun("its DBD settings differ")) {
      try trainer(TrainingSession(seed: 1), earlier).restore(start)
    }
  }

  @Test("Stage 2 moves the head and the running statistics, and no weight of the backbone")
  func frozenBackbone() throws {
    var settings = options()
    settings.semiSupervision.method = .none
    settings.selfSupervision.epochs = 0
    let run = try trainer(TrainingSession(seed: 1), settings)
    let before = try bytes(run.model)
    _ = try run.run()
    let after = try bytes(run.model)
    for entry in run.model.state.parameters {
      #expect((before[entry.name] == after[entry.name]) == !run.model.isHead(entry.name))
    }
    #expect(before["bn1.running_mean"] != after["bn1.running_mean"])
  }

  @Test("Every stage leaves its evidence")
  func evidence() throws {
    let run = try trainer(TrainingSession(seed: 2), options())
    _ = try run.run()
    let names = Set(run.history.series.map(\.name))
    for stage in ["head", "semi_supervision"] {
      for metric in ["clean_accuracy", "filter_precision", "poisons_in_labeled_pool"] {
        #expect(names.contains("\(stage)/\(metric)"))
      }
    }
    #expect(names.contains("self_supervision/train_loss"))
    #expect(names.contains("self_supervision/neighbor_agreement"))
    #expect(names.contains("self_supervision/filter_precision"))
    #expect(run.split?.labeled.count == 80)
  }

  @Test(
    "Every stage leaves a histogram of losses and the counts of every class, also after a resume")
  func stageRecords() throws {
    let run = try trainer(TrainingSession(seed: 2), options())
    _ = try run.run()
    #expect(Set(run.stageRecords.keys) == ["self_supervision", "head", "semi_supervision"])
    func counts(_ stage: String, _ key: String) throws -> [Int] {
      try #require(try run.stageRecords[stage]?[key]?.decode(as: [Int].self))
    }
    let poisons = try #require(try patchedDigits().knownPoisons)
    for stage in run.stageRecords.keys {
      #expect(try counts(stage, "samples").reduce(0, +) == 160)
      #expect(try counts(stage, "poisons").reduce(0, +) == poisons.count)
      #expect(try counts(stage, "class_samples").reduce(0, +) == 160)
      for (all, labeled) in zip(
        try counts(stage, "class_samples"), try counts(stage, "class_labeled"))
      {
        #expect(labeled <= all)
      }
    }
    #expect(try counts("semi_supervision", "class_labeled").reduce(0, +) == 80)
    let again = try trainer(TrainingSession(seed: 2), options())
    try again.restore(try run.snapshot())
    #expect(again.stageRecords == run.stageRecords)
  }

  @Test("A histogram counts each score in its bin, the last of which is open")
  func histogram() throws {
    let ranking = SuspicionRanking(
      scores: [0, 0.49, 0.5, 13.9, 99], predicted: [0, 0, 0, 0, 0], labels: [0, 1, 1, 1, 0])
    let record = StageRecord(
      ranking, by: .loss, labeled: [0, 1], classCount: 2, knownPoisons: [2, 4])
    #expect(record.histogram.first == 2 && record.histogram[1] == 1 && record.histogram.last == 2)
    #expect(record.poisonHistogram?[1] == 1 && record.poisonHistogram?.last == 1)
    #expect(record.classCounts == [2, 3] && record.labeledClassCounts == [1, 1])
  }

  @Test("The evidence at the end is of the pool that was trained on")
  func evidenceOfPool() throws {
    var settings = options()
    settings.filter.finalShare = 0.75
    settings.filter.growthEpochs = 1
    let run = try trainer(TrainingSession(seed: 2), settings)
    _ = try run.run()
    let pool = try #require(run.split).labeled
    #expect(pool.count == 120)
    let poisons = Set(try patchedDigits().knownPoisons ?? [])
    let ranking = SuspicionRanking(
      scores: (0..<160).map(Double.init), predicted: [Int](repeating: 0, count: 160),
      labels: [Int](repeating: 0, count: 160))
    let values = run.evidence(ranking)
    let kept = try #require(
      values.first { $0.definition.name == Metric.poisonsInLabeledPool.name })
    #expect(kept.count == 120)
    #expect(kept.value == Double(pool.count { poisons.contains($0) }))
  }

  @Test("A pool smaller than a batch shrinks the step; an empty one is an error")
  func smallPools() throws {
    var settings = options()
    settings.selfSupervision.epochs = 0
    settings.head.epochs = 0
    settings.semiSupervision.epochs = 1
    settings.semiSupervision.batchSize = 64
    settings.filter.share = 0.1
    settings.filter.finalShare = 0.1
    #expect(throws: Never.self) { try trainer(TrainingSession(seed: 1), settings).run() }
    settings.filter.share = 0.001
    settings.filter.finalShare = 0.001
    #expect(throws: DBDError.emptyPool(labeled: 0, unlabeled: 160)) {
      try trainer(TrainingSession(seed: 1), settings).run()
    }
  }

  @Test("A checkpoint of other settings, seed or data is refused")
  func otherRun() throws {
    let run = try trainer(TrainingSession(seed: 1), options())
    let checkpoint = try run.snapshot()
    var other = options()
    other.head.epochs = 7
    #expect(throws: CheckpointUseError.otherRun("its DBD settings differ")) {
      try trainer(TrainingSession(seed: 1), other).restore(checkpoint)
    }
    #expect(throws: CheckpointUseError.otherRun("its seed is 1")) {
      try trainer(TrainingSession(seed: 2), options()).restore(checkpoint)
    }
  }

  @Test("The weight of the unlabeled loss counts the epochs of stage 2, as the official code does")
  func ramp() throws {
    let run = try trainer(TrainingSession(seed: 1), .paper)
    // λ_u = 15 · min(1, (10 + e) / 190): 0.79 at the first epoch, 15 from epoch 180 of stage 3 on.
    #expect(abs(run.unlabeledWeight(epoch: 0, step: 0) - 15.0 * 10 / 190) < 1e-12)
    #expect(abs(run.unlabeledWeight(epoch: 0, step: 512) - 15.0 * 10.5 / 190) < 1e-12)
    #expect(run.unlabeledWeight(epoch: 185, step: 0) == 15)
  }
}
