import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkUnlearning

@Suite("Unlearning behind a cut")
struct CutMaskTests {
  private static let methods = UnlearningMethod.allCases.filter(\.startsFromCheckpoint)

  @Test(
    "Only weights behind the cut are chosen and move; before it not even statistics do",
    arguments: methods)
  func frozen(_ method: UnlearningMethod) throws {
    let victim = try Victim.shared.get()
    let mask = MaskOptions(kind: .saliency, ratio: 0.6, batchSize: 10, from: "conv5")
    let run = try victim.unlearner(method, mask: mask)
    let before = try bytes(run.model)
    try run.run()
    let after = try bytes(run.model)
    let late = run.model.state.parameters.filter { !run.model.isBefore($0.name, cut: "conv5") }
    let count = late.reduce(0) { $0 + $1.tensor.count }
    let found = try #require(run.mask)
    #expect(try found.count() == Int(Double(count) * 0.6))
    #expect(found.total == run.model.state.parameterCount)
    #expect(run.movableWeights == count)
    #expect(
      try found.largestMovementOutside(
        from: victim.original.weights, to: weights(run.model)) == 0)
    for name in before.keys where run.model.isBefore(name, cut: "conv5") {
      #expect(after[name] == before[name], "\(name)")
    }
    #expect(after != before)
  }

  @Test("Without another kind of mask, all weights behind the cut may move")
  func noMask() throws {
    let victim = try Victim.shared.get()
    let run = try victim.unlearner(.rl, mask: MaskOptions(kind: .none, from: "conv6"))
    try run.run()
    let found = try #require(run.mask)
    for entry in found.tensors {
      let isBefore = run.model.isBefore(entry.name, cut: "conv6")
      #expect(try entry.tensor.bytes().allSatisfy { $0 == (isBefore ? 0 : 1) }, "\(entry.name)")
    }
  }

  @Test("What arrives at the cut is what the images would give, whichever of them are asked for")
  func kept() throws {
    let victim = try Victim.shared.get()
    let model = try ImageClassifier.restored(from: victim.original)
    let session = try TrainingSession(seed: 1)
    let context = try UnlearningContext(
      model: model, original: victim.original.weights, input: victim.input(), session: session,
      mask: nil, cut: "conv5")
    var options = FineTuningOptions()
    options.augment = false
    options.frozenStatistics = true
    let descent = try Descent(context, options)
    for positions in [[3, 150, 7], Array(100..<140)] {
      let batch = try victim.train.batch(positions)
      let images = try victim.normalization.prepare(batch.images, on: .cpu)
      let (kept, whole) = try withoutGradients {
        (
          try descent.logits(of: batch, step: 0, "all").doubles(),
          try model.logits(images, .evaluation).doubles()
        )
      }
      #expect(kept.count == whole.count)
      #expect((zip(kept, whole).map { abs($0 - $1) }.max() ?? 1) < 1e-5)
    }
  }

  @Test("Stopped and resumed it ends with the same bytes", arguments: [1, 3])
  func resumes(stopAt: Int) throws {
    let victim = try Victim.shared.get()
    var options = UnlearningOptions.small
    options.salun.training.augment = false
    let mask = MaskOptions(batchSize: 10, from: "conv5")
    let whole = try victim.unlearner(.salun, mask: mask, options: options)
    try whole.run()
    let (_, saved) = try interrupted(at: stopAt) {
      try victim.unlearner(.salun, mask: mask, options: options, session: $0)
    }
    let resumed = try victim.unlearner(.salun, mask: mask, options: options)
    try resumed.restore(saved)
    try resumed.run()
    #expect(try bytes(resumed.model) == bytes(whole.model))
  }

  @Test("A part that the network does not have is refused, and those that it has are named")
  func unknown() throws {
    let victim = try Victim.shared.get()
    #expect(
      throws: RecipeError.setting(
        "mask.from", expected: "one of conv2, conv3, conv4, conv5, conv6", found: "layer4")
    ) { try victim.unlearner(.salun, mask: MaskOptions(from: "layer4")) }
  }
}
