import BulwarkData
import BulwarkTensor
import Testing

@testable import BulwarkPoisoning

@Suite struct PoisonerTests {
  @Test(arguments: [
    Attack(.badNets), Attack(.blended), Attack(.waNet), Attack(.sinusoid),
  ])
  func onlyTheListedSamplesDiffer(_ attack: Attack) throws {
    let train = try makeDataset(count: 100)
    let clean = try train.images.clone()
    let result = try Poisoner(AttackSpec(attack, rate: 0.2, target: 1, seed: 9)).poison(train)
    #expect(try changedRows(train.images, result.dataset.images) == result.poisonedIndices)
    let relabeled = train.labels.indices.filter { train.labels[$0] != result.dataset.labels[$0] }
    #expect(relabeled == (attack.isCleanLabel ? [] : result.poisonedIndices))
    #expect(result.dataset.sources == train.sources)
    #expect(try clean.bytes() == train.images.bytes(), "the source must stay as it was")
  }

  @Test func theHelperThatFindsChangedRowsSeesOneByte() throws {
    let images = try makeDataset(count: 5).images
    let other = try images.clone()
    try other.withUnsafeMutableBytes { $0[3 * 3072 + 17] ^= 1 }
    #expect(try changedRows(images, other) == [3])
  }

  @Test(arguments: [(0.05, 25), (0.011, 6), (0.8, 400), (0.0, 0)])
  func countIsTheRoundedShareOfTheWholeSet(_ rate: Double, _ expected: Int) throws {
    let labels = (0..<500).map { $0 % 5 }
    let selection = try PoisonSelection(
      AttackSpec(Attack(.badNets), rate: rate, target: 3), labels: labels, classCount: 5)
    #expect(selection.poisoned.count == expected)
    #expect(selection.poisoned.allSatisfy { labels[$0] != 3 })
    #expect(Set(selection.poisoned).count == expected)
    #expect(selection.poisoned == selection.poisoned.sorted())
  }

  @Test(arguments: [(0.5, 50), (0.014, 1), (1.0, 100)])
  func cleanLabelCountIsAShareOfTheTargetClass(_ rate: Double, _ expected: Int) throws {
    let labels = (0..<500).map { $0 % 5 }
    let selection = try PoisonSelection(
      AttackSpec(Attack(.sinusoid), rate: rate, target: 3), labels: labels, classCount: 5)
    #expect(selection.poisoned.count == expected)
    #expect(selection.poisoned.allSatisfy { labels[$0] == 3 })
  }

  @Test func aRateThatAsksForMoreThanThereIsIsRefused() throws {
    let labels = (0..<500).map { $0 % 5 }
    func select(_ rate: Double) throws -> Int {
      try PoisonSelection(
        AttackSpec(Attack(.badNets), rate: rate, target: 3), labels: labels, classCount: 5
      ).poisoned.count
    }
    #expect(try select(0.8) == 400)
    #expect(
      throws: PoisonError.tooMany(
        asked: 401, available: 400, eligible: "images of other classes")
    ) { try select(0.802) }
    #expect(throws: PoisonError.self) { try select(0.0005) }
    for rate in [-0.1, 1.1, .nan] {
      #expect(throws: PoisonError.self) { try Poisoner(AttackSpec(Attack(.badNets), rate: rate)) }
    }
  }

  @Test func aTargetThatIsNoClassIsRefused() throws {
    let train = try makeDataset(classes: 5)
    let poisoner = try Poisoner(AttackSpec(Attack(.badNets), target: 5))
    #expect(throws: PoisonError.invalidTarget(target: 5, classCount: 5)) {
      try poisoner.poison(train)
    }
    #expect(throws: PoisonError.invalidTarget(target: 5, classCount: 5)) {
      try poisoner.triggeredTestSet(train)
    }
    #expect(throws: PoisonError.self) { try Poisoner(AttackSpec(Attack(.badNets), target: -1)) }
  }

  @Test func theSameSeedGivesTheSameBytesAndAnotherSeedDoesNot() throws {
    let train = try makeDataset(count: 100)
    func poison(_ seed: UInt64) throws -> PoisonedDataset {
      let attack = Attack.waNet(WaNetAttack(noiseRatio: 1))
      return try Poisoner(AttackSpec(attack, rate: 0.2, target: 1, seed: seed)).poison(train)
    }
    let first = try poison(4)
    let second = try poison(4)
    let other = try poison(5)
    #expect(try first.dataset.fingerprint == second.dataset.fingerprint)
    #expect(first.poisonedIndices == second.poisonedIndices)
    #expect(first.noiseIndices == second.noiseIndices)
    #expect(try first.dataset.fingerprint != other.dataset.fingerprint)
    #expect(first.poisonedIndices != other.poisonedIndices)
  }

  @Test func bernoulliDrawIsTheOfficialOne() throws {
    // 5 % of the images of other classes in expectation: 2,250 ± 46 of 50,000.
    let labels = (0..<50_000).map { $0 % 10 }
    let counts = try (0..<4 as Range<UInt64>).map { seed in
      let selection = try PoisonSelection(
        AttackSpec(Attack(.badNets), rate: 0.05, target: 3, seed: seed, draw: .bernoulli),
        labels: labels, classCount: 10)
      #expect(selection.poisoned.allSatisfy { labels[$0] != 3 })
      return selection.poisoned.count
    }
    #expect(counts.allSatisfy { abs($0 - 2250) < 5 * 46 })
    #expect(Set(counts).count > 1, "the count is random, unlike the exact draw's 2,500")
  }

  @Test func triggeredTestSetLeavesOutTheTargetClassAndKeepsTrueLabels() throws {
    let test = try makeDataset(count: 50, classes: 5)
    let poisoner = try Poisoner(AttackSpec(Attack(.badNets), target: 2))
    let triggered = try poisoner.triggeredTestSet(test)
    let rows = poisoner.triggeredTestIndices(test)
    #expect(triggered.count == 40)
    #expect(triggered.labels == rows.map { test.labels[$0] })
    #expect(!triggered.labels.contains(2))
    let direct = try poisoner.trigger(test.images.indexSelect(0, Tensor(rows)))
    #expect(try triggered.images.bytes() == direct.bytes())
    #expect(try poisoner.triggeredTest(test).target == 2)
  }

  @Test func aTestSetWithoutTheTargetClassIsNotWrittenTo() throws {
    let whole = try makeDataset(count: 50, classes: 5)
    let others = try whole.subset((0..<50).filter { $0 % 5 != 2 })
    let before = try others.images.bytes()
    let triggered = try Poisoner(AttackSpec(Attack(.badNets), target: 2)).triggeredTestSet(others)
    #expect(triggered.count == others.count)
    #expect(try others.images.bytes() == before)
    let only = try whole.subset((0..<50).filter { $0 % 5 == 2 })
    #expect(throws: PoisonError.noTestSamples(target: 2)) {
      try Poisoner(AttackSpec(Attack(.badNets), target: 2)).triggeredTestSet(only)
    }
  }

  @Test func wrongImagesAreATypedError() throws {
    let poisoner = try Poisoner(AttackSpec(Attack(.badNets)))
    #expect(throws: PoisonError.self) {
      try poisoner.trigger(Tensor.zeros([1, 3, 32, 32]))
    }
    #expect(throws: PoisonError.self) {
      try poisoner.trigger(Tensor.zeros([1, 2, 32, 32], dtype: .uint8))
    }
  }

  @Test func progressCountsEveryChangedImage() throws {
    var seen: [Int] = []
    let attack = Attack.waNet(WaNetAttack(noiseRatio: 1))
    _ = try Poisoner(AttackSpec(attack, rate: 0.1, target: 0)).poison(
      makeDataset(count: 100), batchSize: 4
    ) { done, total in
      #expect(total == 20)
      seen.append(done)
    }
    #expect(seen == [4, 8, 10, 14, 18, 20])
  }

  @Test(arguments: Attack.Kind.allCases.filter { $0 != .labelConsistent })
  func everyAttackWorksOnGrayImagesOfOtherSizes(_ kind: Attack.Kind) throws {
    for side in [8, 16, 28, 64] {
      let train = try makeDataset(count: 20, channels: 1, side: side)
      let result = try Poisoner(AttackSpec(Attack(kind), rate: 0.5, target: 1)).poison(train)
      #expect(try changedRows(train.images, result.dataset.images) == result.poisonedIndices)
      #expect(!result.poisonedIndices.isEmpty)
    }
  }
}
