import BulwarkNN
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkUnlearning

@Suite("The arithmetic of single baselines")
struct BaselineTests {
  @Test("Influence: Woodbury's product equals WoodFisher's recursion, whatever is parallel to what")
  func inverseFisher() throws {
    let (count, size) = (12, 30)
    let rows = try RandomKey(seed: 1).normal([count, size])
    let vector = try RandomKey(seed: 2).normal([size])
    let product = try InverseFisher.product(rows: rows, vector: vector).doubles()
    // F⁻¹ row by row: F⁻¹ ← F⁻¹ − F⁻¹ g gᵀ F⁻¹ / (N + gᵀ F⁻¹ g), from the identity.
    var inverse = try Tensor.arange(size).oneHot(size).to(.float64)
    for row in 0..<count {
      let gradient = try rows.narrow(0, start: row, length: 1).to(.float64)
      let left = try inverse.matmul(gradient.transpose(0, 1))
      let scale = Double(count) + (try gradient.matmul(left).item())
      inverse = try inverse - left.matmul(left.transpose(0, 1)) / scale
    }
    let expected = try inverse.matmul(vector.to(.float64).reshape([-1, 1])).doubles()
    for (a, b) in zip(product, expected) { #expect(abs(a - b) < 1e-5) }
    let identity = try vector.doubles()
    #expect(zip(product, identity).contains { abs($0 - $1) > 0.05 })
  }

  @Test("Influence: the official form moves along v and one single gradient, the true one does not")
  func rankOne() throws {
    let victim = try Victim.shared.get()
    func movement(_ form: InfluenceUnlearningOptions.Form) throws -> [Double] {
      var options = UnlearningOptions.small
      options.iu = InfluenceUnlearningOptions(alpha: 1, samples: 30, form: form)
      let run = try victim.unlearner(.iu, options: options)
      try run.run()
      return try run.model.state.parameters.flatMap { entry in
        let before = try #require(victim.original.weights[entry.name])
        return try (entry.tensor.detach() - before).doubles()
      }
    }
    let model = try victim.unlearner(.iu).model
    let input = try victim.input()
    let context = UnlearningContext(
      model: model, original: victim.original.weights, input: input,
      session: try TrainingSession(seed: 4), mask: nil)
    let forget = try context.gradientSum(input.forgetSet.forget)
    let retain = try context.gradientSum(input.forgetSet.retain)
    let influence = try (forget / 200 - retain * (25.0 / (200 * 175))).doubles()
    let first = try context.gradientSum([input.forgetSet.retain[0]]).doubles()
    /// Share of a movement's square that v and g₀ do not explain.
    func unexplained(_ movement: [Double]) -> Double {
      func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
      func minus(_ a: [Double], _ b: [Double], _ c: Double) -> [Double] {
        zip(a, b).map { $0 - c * $1 }
      }
      let other = minus(first, influence, dot(first, influence) / dot(influence, influence))
      var rest = minus(movement, influence, dot(movement, influence) / dot(influence, influence))
      rest = minus(rest, other, dot(rest, other) / dot(other, other))
      return dot(rest, rest) / dot(movement, movement)
    }
    #expect(try unexplained(movement(.rankOne)) < 1e-6)
    #expect(try unexplained(movement(.woodFisher)) > 1e-5)
  }

  @Test("SSD dampens where the forget set matters α times more, by λ I_D / I_f")
  func dampening() throws {
    let all = try Tensor([1.0, 1, 1, 0, 2])
    let lost = try Tensor([5.0, 20, 10, 0, 100])
    let factor = try SelectiveSynapticDampening.factor(
      all: all, lost: lost, DampeningOptions(alpha: 10, lambda: 2)
    ).doubles()
    #expect(factor == [1, 0.1, 1, 1, 0.04])
    let strong = try SelectiveSynapticDampening.factor(
      all: all, lost: lost, DampeningOptions(alpha: 1, lambda: 50)
    ).doubles()
    #expect(strong == [1, 1, 1, 1, 1])
  }

  @Test("ℓ1-sparse: the weight falls linearly to 0 where the plain epochs begin")
  func sparse() {
    let options = SparseFineTuningOptions(
      training: FineTuningOptions(epochs: 10), gamma: 1, plainEpochs: 2)
    #expect((0..<10).map(options.weight) == [1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0, 0])
  }

  @Test("Boundary expanding leaves no further output behind")
  func expanding() throws {
    let victim = try Victim.shared.get()
    let run = try victim.unlearner(.be)
    try run.run()
    let images = try victim.normalization.prepare(
      victim.train.images.narrow(0, start: 0, length: 2), on: .cpu)
    #expect(try run.model.logits(images, .evaluation).shape == [2, 10])
    #expect(run.model.state["fc.weight"]?.shape == [10, 16])
    #expect(try run.snapshot().weights.names == victim.original.weights.names)
  }

  @Test("SCRUB moves away from the teacher first and stays near it afterwards")
  func scrub() throws {
    let victim = try Victim.shared.get()
    let context = UnlearningContext(
      model: try victim.unlearner(.scrub).model, original: victim.original.weights,
      input: try victim.input(), session: try TrainingSession(seed: 4), mask: nil)
    let scrub = try SCRUB(context, UnlearningOptions.small.scrub)
    // 25 samples in batches of 10, 175 in batches of 50; two of three epochs forget.
    let places = (0..<scrub.steps).map(scrub.position)
    #expect(scrub.steps == 2 * (3 + 4) + 4)
    #expect(
      places.map(\.isForgetting)
        == [true, true, true, false, false, false, false, true, true, true, false, false, false]
        + [false, false, false, false, false])
    #expect(places.filter { !$0.isForgetting }.map(\.step) == Array(0..<12))
    #expect(places.filter(\.isForgetting).map(\.step) == Array(0..<6))
    #expect(
      places.map(\.epoch) == [Int](repeating: 0, count: 7) + [Int](repeating: 1, count: 7)
        + [Int](repeating: 2, count: 4))
    // What a pass is belongs to one epoch and one loss.
    let passes = [
      UnlearningPass(epoch: 0, steps: 0..<3), UnlearningPass(epoch: 0, steps: 3..<7),
      UnlearningPass(epoch: 1, steps: 7..<10), UnlearningPass(epoch: 1, steps: 10..<14),
      UnlearningPass(epoch: 2, steps: 14..<18),
    ]
    #expect(
      (0..<scrub.steps).map(scrub.pass) == passes.flatMap { pass in pass.steps.map { _ in pass } })
    #expect(scrub.pass(of: scrub.steps).epoch == 3)
  }

  @Test("SCRUB records the loss of each pass, negative on the forget set, and counts its epochs")
  func scrubLosses() throws {
    let run = try Victim.shared.get().unlearner(.scrub)
    try run.run()
    let checkpoint = try run.snapshot()
    let losses = try #require(checkpoint.history.first { $0.name == "unlearn/train_loss" })
    #expect(losses.steps == [3, 7, 10, 14, 18])
    #expect(losses.values.map { $0 < 0 } == [true, false, true, false, false])
    #expect(checkpoint.progress.epoch == 3)
  }

  @Test("SalUn-soft draws its share of the weights back that a mask lets move, not of all")
  func softUnderMask() throws {
    let victim = try Victim.shared.get()
    var options = UnlearningOptions.small
    // One step.
    options.salunSoft.training = FineTuningOptions(epochs: 1, batchSize: 200, learningRate: 0.02)
    options.salunSoft.ratio = 0.5
    let run = try victim.unlearner(
      .salunSoft, mask: MaskOptions(kind: .saliency, ratio: 0.3, batchSize: 10), options: options)
    try run.run()
    let mask = try #require(run.mask)
    let after = try weights(run.model)
    var movable = 0
    var drawnBack = 0
    for entry in mask.tensors {
      let old = try #require(victim.original.weights[entry.name]).floats()
      let new = try #require(after[entry.name]).floats()
      for (index, isAllowed) in try entry.tensor.bytes().enumerated() where isAllowed == 1 {
        movable += 1
        if old[index] == new[index] { drawnBack += 1 }
      }
    }
    #expect(movable == Int(Double(mask.total) * 0.3))
    #expect(drawnBack >= movable / 2 && drawnBack < movable)
  }

  @Test("Divergences vanish for equal answers and follow their formulas otherwise")
  func divergence() throws {
    let logits = try Tensor([Float(1), 2, 3, 0, 0, 1], shape: [2, 3])
    let other = try Tensor([Float(3), 2, 1, 0, 0, 0], shape: [2, 3])
    #expect(abs(try Divergence.batchMean(logits, logits, temperature: 4).item()) < 1e-6)
    func softmax(_ x: [Double]) -> [Double] {
      let sum = x.reduce(0) { $0 + exp($1) }
      return x.map { exp($0) / sum }
    }
    let pairs = [([1.0, 2, 3], [3.0, 2, 1]), ([0.0, 0, 1], [0.0, 0, 0])]
    func expected(_ temperature: Double) -> Double {
      pairs.reduce(0) { sum, pair in
        let p = softmax(pair.0.map { $0 / temperature })
        let q = softmax(pair.1.map { $0 / temperature })
        return sum + zip(p, q).reduce(0) { $0 + $1.0 * log($1.0 / $1.1) }
      }
    }
    let mean = try Divergence.batchMean(logits, other, temperature: 2).item()
    #expect(abs(mean - 4 * expected(2) / 2) < 1e-5)
    let element = try Divergence.elementMean(logits.softmax(1), other, temperature: 1).item()
    #expect(abs(element - expected(1) / 6) < 1e-6)
  }
}
