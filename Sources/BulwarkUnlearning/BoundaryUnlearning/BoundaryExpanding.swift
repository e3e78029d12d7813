import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Settings of boundary unlearning.
public struct BoundaryOptions: Hashable, Sendable, Codable {
  /// Optimizer, epochs and step size.
  public var training: FineTuningOptions
  /// Length of the attack step of boundary shrinking, for pixels in 0...1.
  public var attackStep: Double

  /// Ten epochs; the paper's step sizes are 1e-6...1e-4; attack step 0.1.
  public init(
    training: FineTuningOptions = FineTuningOptions(learningRate: 1e-4), attackStep: Double = 0.1
  ) {
    self.training = training
    self.attackStep = attackStep
  }
}

/// BE (Chen et al., CVPR 2023, section 3.4): the head gets one more output, the forget set is taught to
/// go there, and the output is removed again.
///
/// As in SalUn's official code all weights train, on the forget set alone, and the new row starts at
/// random (PyTorch's default). Unlike that code, and like the BE paper, the row is gone before the
/// model is used: an argmax never names it.
final class BoundaryExpanding: UniformProcedure {
  private let context: UnlearningContext
  private let options: BoundaryOptions
  private let descent: Descent
  private let extra: ParameterStore
  private let row: Linear
  private var walk: BatchWalk
  static let owner = "extra_output"

  init(_ context: UnlearningContext, _ options: BoundaryOptions) throws {
    self.context = context
    self.options = options
    extra = ParameterStore(
      key: context.key.stream("extra_output"), device: context.session.device)
    row = try Linear(
      extra.root / "extra_output", in: context.model.backbone.featureCount, out: 1)
    descent = try Descent(
      context, options.training,
      optimizer: context.sgd(options.training, further: extra.parameters))
    walk = context.walk(context.forget, "forget", batchSize: options.training.batchSize)
  }

  var optimizer: (any Optimizer)? { descent.optimizer }
  var steps: Int { stepsPerEpoch * options.training.epochs }
  var stepsPerEpoch: Int { walk.stepsPerEpoch }

  func step(_ step: Int) throws -> StepOutcome {
    let batch = try walk.batch(step: step)
    let images = try descent.images(batch.images, step: step, "forget")
    let model = context.model
    let outside = try Tensor(
      [Int](repeating: context.train.classCount, count: batch.indices.count)
    ).to(context.session.device)
    let loss = try descent.descend(
      epoch: Double(step) / Double(stepsPerEpoch), clear: [extra]
    ) {
      try context.session.inPrecision {
        let features = try descent.features(images)
        return try Tensor.cat(
          [model.head(features).to(.float32), row(features).to(.float32)], dim: 1)
      }.crossEntropy(outside)
    }
    return StepOutcome(loss: loss, samples: batch.indices.count)
  }

  var states: [String: StateDict] {
    [Self.owner: StateDict(extra.entries.map { ($0.name, $0.tensor) })]
  }

  func load(states: [String: StateDict]) throws {
    guard let saved = states[Self.owner] else { return }
    try extra.load(saved.pairs.map { (name: $0.0, tensor: $0.1) })
  }
}
