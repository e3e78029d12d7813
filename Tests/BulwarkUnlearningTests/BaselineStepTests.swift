import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkUnlearning

@Suite("The first step of a method, by hand")
struct BaselineStepTests {
  /// Evaluation mode, no views, no decay: gradients are those of `UnlearningContext.gradientSum`.
  private static func plain(_ batchSize: Int, rate: Double = 0.05, epochs: Int = 1)
    -> FineTuningOptions
  {
    FineTuningOptions(
      epochs: epochs, batchSize: batchSize, learningRate: rate, weightDecay: 0, augment: false,
      frozenStatistics: true)
  }

  private func context() throws -> UnlearningContext {
    let victim = try Victim.shared.get()
    return UnlearningContext(
      model: try victim.unlearner(.ft).model, original: victim.original.weights,
      input: try victim.input(), session: try TrainingSession(seed: 4), mask: nil)
  }

  /// All weights one after the other.
  private func vector(_ context: UnlearningContext) throws -> Tensor {
    try Tensor.cat(context.model.state.parameters.map { try $0.tensor.detach().reshape([-1]) })
      .clone()
  }

  /// What one step of a procedure adds to the weights.
  private func movement(
    _ context: UnlearningContext, _ procedure: any UnlearningProcedure
  ) throws -> [Double] {
    let before = try vector(context)
    _ = try procedure.step(0)
    return try (vector(context) - before).doubles()
  }

  private func expectEqual(_ found: [Double], _ expected: Tensor) throws {
    let values = try expected.doubles()
    let size = values.map(abs).max() ?? 0
    #expect(size > 1e-4)
    let error = zip(found, values).map { abs($0 - $1) }.max() ?? 0
    #expect(error < 1e-5 + 1e-3 * size, "\(error) of \(size)")
  }

  @Test("GA goes up the mean loss of the forget set")
  func ascent() throws {
    let context = try context()
    let gradient = try withGradients { try context.gradientSum(context.forget) } / 25
    let found = try movement(
      context, GradientAscent(context, GradientAscentOptions(training: Self.plain(25))))
    try expectEqual(found, gradient * 0.05)
  }

  @Test("NegGrad+ goes down w times the retain set's loss and up 1 − w times the forget set's")
  func negGradPlus() throws {
    let context = try context()
    let (forget, retain) = try withGradients {
      (
        try context.gradientSum(context.forget) / 25, try context.gradientSum(context.retain) / 175
      )
    }
    let found = try movement(
      context,
      NegGradPlus(
        context, NegGradPlusOptions(training: Self.plain(175), retainWeight: 0.6)))
    try expectEqual(found, (forget * 0.4 - retain * 0.6) * 0.05)
  }

  @Test("FT goes down the retain set's loss alone")
  func fineTuning() throws {
    let context = try context()
    let gradient = try withGradients { try context.gradientSum(context.retain) } / 175
    try expectEqual(
      try movement(context, FineTuning(context, Self.plain(175))), gradient * -0.05)
  }

  @Test("SalUn-soft: what random labeling moves, less the n-th smallest movement")
  func soft() throws {
    let labeled = try context()
    let training = Self.plain(200)
    let plain = try movement(
      labeled, RandomLabeling(labeled, RandomLabelingOptions(training: training)))
    let context = try context()
    let found = try movement(
      context,
      SoftThresholding(context, SoftThresholdingOptions(training: training, ratio: 0.4)))
    let threshold = plain.map(abs).sorted()[Int(0.4 * Double(plain.count)) - 1]
    #expect(threshold > 1e-7)
    for (value, moved) in zip(found, plain) {
      let expected = (moved < 0 ? -1 : 1) * max(abs(moved) - threshold, 0)
      #expect(abs(value - expected) < 1e-6)
    }
  }

  @Test("The sequential scheme sees the forget set first, the joint one both at once")
  func order() throws {
    for (scheme, sizes) in [
      (RandomLabelingOptions.Scheme.sequential, [20, 5, 20, 20]), (.joint, [20, 20, 20, 20]),
    ] {
      let context = try context()
      let labeling = try RandomLabeling(
        context, RandomLabelingOptions(training: Self.plain(20), scheme: scheme))
      #expect(try (0..<4).map { try labeling.step($0).samples } == sizes)
    }
  }

  @Test("Boundary shrinking looks across the boundary that lies up the label's loss")
  func neighbors() throws {
    let context = try context()
    let batch = try context.train.batch(context.forget)
    let pixels = try ImageDataset.unitRange(batch.images)
    func sameClass(_ step: Double) throws -> Int {
      let shrinking = try BoundaryShrinking(
        context, BoundaryOptions(training: Self.plain(25), attackStep: step))
      let labels = try shrinking.neighbors(of: pixels, labels: batch.labels).integers()
      return zip(labels, try batch.labels.integers()).count { $0 == $1 }
    }
    let (across, back) = (try sameClass(0.1), try sameClass(-0.1))
    #expect(back > 15 && across < 5, "\(across) and \(back) of 25 keep their class")
  }

  @Test("Bad teacher: answers on the forget set become those of a network that knows nothing")
  func badTeacher() throws {
    let context = try context()
    func confidence(_ members: [Int]) throws -> Double {
      let batch = try context.train.batch(members)
      let answers = try context.model.logits(
        context.images(batch.images, augment: false, key: context.key), .evaluation
      ).detach().softmax(1)
      let own = try (answers * batch.labels.oneHot(10).to(.float32)).sum([1])
      return try own.mean().item()
    }
    let before = (forget: try confidence(context.forget), retain: try confidence(context.retain))
    var options = BadTeacherOptions()
    options.training = Self.plain(40, rate: 0.003, epochs: 15)
    let teacher = try BadTeacher(context, options)
    for step in 0..<teacher.steps { _ = try teacher.step(step) }
    let lost = (
      forget: before.forget - (try confidence(context.forget)),
      retain: before.retain - (try confidence(context.retain))
    )
    #expect(lost.forget > 0.1 && lost.forget > 1.5 * lost.retain, "\(lost)")
  }
}
