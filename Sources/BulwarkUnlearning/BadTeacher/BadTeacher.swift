import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// Settings of unlearning with a bad teacher.
public struct BadTeacherOptions: Hashable, Sendable, Codable {
  /// Epochs, batch and step size of Adam.
  public var training: FineTuningOptions
  /// Share of the retain set that is taught along, 0...1.
  public var retainShare: Double
  /// Temperature T of teachers and student.
  public var temperature: Double

  /// The official script: one epoch of Adam at 1e-4 with 30 % of the retain set.
  public init(
    training: FineTuningOptions = FineTuningOptions(
      epochs: 1, learningRate: 1e-4, weightDecay: 0),
    retainShare: Double = 0.3, temperature: Double = 1
  ) {
    self.training = training
    self.retainShare = retainShare
    self.temperature = temperature
  }
}

/// Bad teacher (Chundawat et al., AAAI 2023, eq. 3): the student imitates an untrained network on the
/// forget set and the original one on a part of the retain set, both shuffled together.
///
/// As in the official code the divergence is averaged over batch and classes, and the part of the
/// retain set is drawn once.
final class BadTeacher: UniformProcedure {
  private let context: UnlearningContext
  private let options: BadTeacherOptions
  private let descent: Descent
  private let competent: ImageClassifier
  private let incompetent: ImageClassifier
  private let isForgotten: [Bool]
  private var walk: BatchWalk

  init(_ context: UnlearningContext, _ options: BadTeacherOptions) throws {
    self.context = context
    self.options = options
    let adam = Adam(
      context.model.state.parameters, learningRate: options.training.learningRate,
      weightDecay: options.training.weightDecay)
    descent = try Descent(context, options.training, optimizer: context.masked(adam))
    competent = try context.originalModel()
    incompetent = try context.model.architecture.build(
      key: context.key.stream("incompetent"), device: context.session.device)
    try incompetent.state.setTrainable(false)
    var isForgotten = [Bool](repeating: false, count: context.train.count)
    for position in context.forget { isForgotten[position] = true }
    self.isForgotten = isForgotten
    let order = try context.key.stream("retain_part").permutation(context.retain.count).integers()
    let part = order.prefix(Int(options.retainShare * Double(order.count)))
      .map { context.retain[$0] }
    walk = context.walk(
      (context.forget + part).sorted(), "teachers", batchSize: options.training.batchSize)
  }

  var optimizer: (any Optimizer)? { descent.optimizer }
  var steps: Int { stepsPerEpoch * options.training.epochs }
  var stepsPerEpoch: Int { walk.stepsPerEpoch }

  func step(_ step: Int) throws -> StepOutcome {
    let batch = try walk.batch(step: step)
    let images = try descent.images(batch.images, step: step, "teachers")
    let flags = try Tensor(batch.indices.map { isForgotten[$0] }, shape: [batch.indices.count, 1])
      .to(context.session.device)
    let target = try withoutGradients {
      let bad = try probabilities(incompetent, images)
      return try bad.where(flags, else: probabilities(competent, images))
    }
    let loss = try descent.descend(epoch: Double(step) / Double(stepsPerEpoch)) {
      try Divergence.elementMean(
        target, descent.logits(images), temperature: options.temperature)
    }
    return StepOutcome(loss: loss, samples: batch.indices.count)
  }

  private func probabilities(_ teacher: ImageClassifier, _ images: Tensor) throws -> Tensor {
    let logits = try context.session.inPrecision { try teacher.logits(images, .evaluation) }
    return try (logits.to(.float32) / options.temperature).softmax(1)
  }
}
