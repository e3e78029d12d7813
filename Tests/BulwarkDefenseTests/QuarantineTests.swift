import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkDefense

@Suite("Training without cliques")
struct QuarantineTests {
  /// Four classes of 40 noise images that nothing tells apart; the first 20 of class 0 lie under stripes.
  private func striped() throws -> TrainingData {
    let labels = (0..<160).map { $0 / 40 }
    let noise = try RandomKey(seed: 2).uniform([160, 1, 8, 8], from: 0, to: 120)
    var stripes = [Float](repeating: 0, count: 160 * 64)
    for index in 0..<20 * 64 where index % 8 % 2 == 0 { stripes[index] = 130 }
    let images = try (noise + Tensor(stripes, shape: [160, 1, 8, 8])).to(.uint8)
    return TrainingData(
      train: try ImageDataset(images: images, labels: labels, classNames: ["a", "b", "c", "d"]),
      evaluator: Evaluator(
        test: nil, triggered: nil, normalization: Normalize(mean: [0.3], deviation: [0.2])),
      knownPoisons: Array(0..<20))
  }

  private func trainer(
    _ session: TrainingSession, share: Double = 0.05,
    _ change: (inout DBDOptions) -> Void = { _ in }
  ) throws -> DBDTrainer {
    let data = try striped()
    var options = DBDOptions()
    options.selfSupervision.epochs = 1
    options.head.epochs = 2
    options.head.batchSize = 20
    options.head.cliqueShare = share
    options.head.cliqueNeighbors = 10
    options.head.shortcutShare = 0
    options.filter.neighbors = 10
    options.filter.suspectFromEpoch = 0
    options.semiSupervision.epochs = 1
    options.semiSupervision.stepsPerEpoch = 2
    options.semiSupervision.batchSize = 16
    options.semiSupervision.measureEvery = 0
    change(&options)
    let plain = AugmentationPipeline.plain(normalize: data.normalization)
    return try DBDTrainer(
      Architecture(.smallCNN, width: 4, classes: 4, channels: 1), data: data, options: options,
      views: DBDViews(contrastive: plain, weak: plain), session: session)
  }

  @Test("Samples under the trigger are left out, their class is suspected, no pool holds them")
  func leftOut() throws {
    let run = try trainer(TrainingSession(seed: 1))
    _ = try run.run()
    #expect(run.quarantine == Array(0..<20))
    #expect(run.suspectedClasses == [0])
    let split = try #require(run.split)
    #expect((split.labeled + split.unlabeled).sorted() == Array(20..<160))
    // The rest of the class, which no contradiction speaks against, keeps nine tenths of its labels.
    #expect(run.contradictedClasses.isEmpty)
    #expect(split.labeled.count { $0 < 40 } == 18)
    let found = try #require(
      run.history.series.first { $0.name == "head/quarantined_samples" }?.values.last)
    #expect(found == 20)
    #expect(try run.snapshot().quarantine == run.quarantine)
    // 140 samples in batches of 20: seven steps an epoch; with the clique there would be eight.
    let losses = try #require(run.history.series.first { $0.name == "head/train_loss" })
    #expect(losses.steps == [7, 14])
  }

  @Test("So are those that the bare pixels give away, also without stage 1")
  func shortcuts() throws {
    let alone = try trainer(TrainingSession(seed: 1), share: 0) { $0.head.shortcutShare = 0.03 }
    _ = try alone.run()
    #expect(alone.shortcuts.filter { $0 < 20 }.count > 17)
    #expect(alone.quarantine == alone.shortcuts && alone.cliques.isEmpty)
    #expect(alone.suspectedClasses == [0])
    let split = try #require(alone.split)
    #expect(Set(split.labeled + split.unlabeled).isDisjoint(with: alone.quarantine))
    let both = try trainer(TrainingSession(seed: 1)) { $0.head.shortcutShare = 0.03 }
    _ = try both.run()
    #expect(both.cliques == Array(0..<20) && both.shortcuts == alone.shortcuts)
    let withoutFeatures = try trainer(TrainingSession(seed: 1), share: 0) {
      $0.selfSupervision.enabled = false
      $0.head.shortcutShare = 0.03
    }
    _ = try withoutFeatures.run()
    #expect(withoutFeatures.quarantine == alone.quarantine)
  }

  @Test("Their class is reported also where stage 3 never looks at classes")
  func reported() throws {
    let changes: [(inout DBDOptions) -> Void] = [
      { $0.semiSupervision.method = .none }, { $0.filter.suspectFromEpoch = 1 },
      { $0.filter.suspectThreshold = 0 },
    ]
    for change in changes {
      let run = try trainer(TrainingSession(seed: 1), change)
      _ = try run.run()
      #expect(!run.looksForContradictions)
      #expect(run.suspectedClasses == [0])
    }
  }

  @Test("However few samples lost their label, a step has its full number of labeled images")
  func fullBatches() throws {
    func samples(_ method: DBDOptions.FineTuning, unlabeledBatchSize: Int) throws -> Set<Int> {
      let counter = StepCounter()
      let run = try trainer(TrainingSession(seed: 1, events: counter)) {
        $0.semiSupervision.method = method
        $0.semiSupervision.unlabeledBatchSize = unlabeledBatchSize
      }
      _ = try run.run()
      // Of the 20 samples of class 0 that are no clique, 2 lose their label; nobody else does.
      #expect(run.split?.unlabeled.count == 2)
      return counter.samples
    }
    #expect(try samples(.mixMatch, unlabeledBatchSize: 0) == [32])
    #expect(try samples(.mixMatch, unlabeledBatchSize: 4) == [20])
    #expect(try samples(.labeledPool, unlabeledBatchSize: 0) == [16])
  }

  /// The images of each step of stage 3.
  private final class StepCounter: EventSink {
    var samples: Set<Int> = []
    func receive(_ event: TrainingEvent) {
      if case .step("semi_supervision", _, _, let count) = event { samples.insert(count) }
    }
  }

  @Test("What sets them apart is laid over labeled images, and changes what stage 3 learns")
  func inoculated() throws {
    func weights(_ share: Double, unlabeledBatchSize: Int) throws -> [Double] {
      let run = try trainer(TrainingSession(seed: 1)) {
        $0.semiSupervision.inoculation = share
        $0.semiSupervision.unlabeledBatchSize = unlabeledBatchSize
      }
      _ = try run.run()
      return try run.model.state.snapshot()[0].tensor.to(.float64).doubles()
    }
    for size in [0, 4] {
      #expect(
        try weights(0.25, unlabeledBatchSize: size) != weights(0, unlabeledBatchSize: size))
    }
  }

  @Test("With a share of 0 they stay, and are the least suspicious of all")
  func without() throws {
    let run = try trainer(TrainingSession(seed: 1), share: 0)
    _ = try run.run()
    #expect(run.quarantine.isEmpty)
    let area = try #require(
      run.history.series.first { $0.name == "self_supervision/suspicion_auc" }?.values.last)
    #expect(area < 0.05)
  }

  @Test(
    "A run stopped around the search or in stage 3 and resumed ends alike",
    arguments: [1, 4, 12, 16])
  func resumes(stopAt: Int) throws {
    try expectSameEnd(seed: 1, stopAt: stopAt) { try trainer($0) }
    try expectSameEnd(seed: 1, stopAt: stopAt) {
      try trainer($0, share: 0) { $0.head.shortcutShare = 0.03 }
    }
  }
}
