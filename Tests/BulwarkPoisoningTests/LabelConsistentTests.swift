import BulwarkTensor
import Testing

@testable import BulwarkPoisoning

@Suite struct LabelConsistentTests {
  let inputs = 3 * 32 * 32

  func loss(_ images: Tensor, _ labels: [Int], _ classifier: Classifier) throws -> Double {
    try classifier(images.to(.float32) / 255.0).crossEntropy(Tensor(labels)).item()
  }

  @Test func ascentStaysInTheBallAndRaisesTheLoss() throws {
    let train = try makeDataset(count: 12, classes: 4)
    let classifier = try linearClassifier(inputs: inputs, classes: 4)
    let ascent = ProjectedGradient(epsilon: 8, stepSize: 1.5, steps: 20)
    let after = try ascent.perturb(
      train.images, labels: train.labels, classCount: 4, classifier: classifier)
    #expect(after.dtype == .uint8)
    #expect(after.shape == train.images.shape)
    // 20 steps of 1.5 are enough to reach the surface, and nothing lies outside it.
    #expect(try largestDifference(train.images, after) == 8)
    let before = try loss(train.images, train.labels, classifier)
    #expect(try loss(after, train.labels, classifier) > before + 1)
  }

  @Test func everyStepIsTheSignOfTheGradient() throws {
    // With logits (w·x, 0) the gradient's sign for class 0 is −sign(w), everywhere and always.
    let weights = try Tensor([1, -1, 2, -3] as [Float], shape: [4, 1])
    let classifier: Classifier = { images in
      let score = try images.reshape([images.shape[0], 4]).matmul(weights)
      return try Tensor.cat([score, score * 0.0], dim: 1)
    }
    let images = try Tensor([100, 100, 2, 254] as [UInt8], shape: [1, 1, 2, 2])
    func perturbed(_ epsilon: Double, _ label: Int, steps: Int = 3) throws -> [Int] {
      try ProjectedGradient(epsilon: epsilon, stepSize: 2, steps: steps)
        .perturb(images, labels: [label], classCount: 2, classifier: classifier).integers()
    }
    // Three steps of 2 levels, clipped to 0...255.
    #expect(try perturbed(8, 0) == [94, 106, 0, 255])
    #expect(try perturbed(8, 1) == [106, 94, 8, 248])
    #expect(try perturbed(5, 1) == [105, 95, 7, 249])
    #expect(try perturbed(0, 1) == [100, 100, 2, 254])
  }

  @Test func labelsStayAndTheTriggerComesLast() throws {
    let train = try makeDataset(count: 60, classes: 5)
    let classifier = try linearClassifier(inputs: inputs, classes: 5)
    let attack = LabelConsistentAttack(
      perturbation: ProjectedGradient(steps: 4), mark: .patch(.dbd))
    let poisoner = try Poisoner(AttackSpec(.labelConsistent(attack), rate: 0.5, target: 3))
    let result = try poisoner.poison(train, classifier: classifier)
    #expect(result.dataset.labels == train.labels)
    #expect(result.poisonedIndices.count == 6)
    #expect(result.poisonedIndices.allSatisfy { train.labels[$0] == 3 })
    #expect(try changedRows(train.images, result.dataset.images) == result.poisonedIndices)
    for index in result.poisonedIndices {
      let image = try result.dataset.images.narrow(0, start: index, length: 1)
      #expect(try (0..<3).map { try pixel(image, $0, 5, 5) } == [187, 201, 219])
    }
  }

  @Test func testsCarryTheTriggerAlone() throws {
    let attack = LabelConsistentAttack(mark: .corners(CornerTrigger()))
    let poisoner = try Poisoner(AttackSpec(.labelConsistent(attack), target: 0))
    let test = try makeDataset(count: 20, classes: 4)
    let triggered = try poisoner.triggeredTestSet(test)
    let clean = try test.images.indexSelect(0, Tensor(poisoner.triggeredTestIndices(test)))
    // All but the four 3×3 corners is untouched.
    for axis in [2, 3] {
      #expect(
        try triggered.images.narrow(axis, start: 3, length: 26).bytes()
          == clean.narrow(axis, start: 3, length: 26).bytes())
    }
    #expect(try changedRows(clean, triggered.images).count == 15)
  }

  @Test func batchSizeDoesNotShow() throws {
    let train = try makeDataset(count: 40, classes: 4)
    let classifier = try linearClassifier(inputs: inputs, classes: 4)
    let attack = LabelConsistentAttack(perturbation: ProjectedGradient(steps: 3))
    let poisoner = try Poisoner(AttackSpec(.labelConsistent(attack), rate: 1, target: 3))
    let whole = try poisoner.poison(train, classifier: classifier)
    let pieces = try poisoner.poison(train, classifier: classifier, batchSize: 3)
    #expect(try whole.dataset.images.bytes() == pieces.dataset.images.bytes())
  }

  @Test func aMissingOrUnfitClassifierIsATypedError() throws {
    let train = try makeDataset(count: 20, classes: 4)
    let poisoner = try Poisoner(AttackSpec(Attack(.labelConsistent), target: 0))
    #expect(throws: PoisonError.classifierMissing(attack: "label-consistent")) {
      try poisoner.poison(train)
    }
    let narrow = try linearClassifier(inputs: inputs, classes: 2)
    #expect(throws: PoisonError.wrongLogits(expected: [3, 4], found: [3, 2])) {
      try poisoner.poison(train, classifier: narrow)
    }
    #expect(throws: PoisonError.gradientNotFinite(step: 0)) {
      try poisoner.poison(train) { images in
        try images.mean([1, 2, 3], keep: false).unsqueeze(1).expand([images.shape[0], 4])
          * Double.nan
      }
    }
  }
}
