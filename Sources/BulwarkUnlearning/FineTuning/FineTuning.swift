import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// Settings of fine-tuning on the retain set.
public struct FineTuningOnlyOptions: Hashable, Sendable, Codable {
  /// Optimizer, epochs and step size.
  public var training: FineTuningOptions

  /// The official settings: ten epochs at 0.01.
  public init(training: FineTuningOptions = FineTuningOptions(learningRate: 0.01)) {
    self.training = training
  }
}

/// FT (Warnecke et al. 2021; Golatkar et al. 2020): cross-entropy on the retain set from the original
/// weights, so that the forget set fades.
final class FineTuning: UniformProcedure {
  private let context: UnlearningContext
  private let options: FineTuningOptions
  private let descent: Descent
  private var walk: BatchWalk
  /// Added to the loss, given the epochs done.
  private let penalty: ((Int) throws -> Tensor?)?

  /// Fine-tuning with a further loss; nil, or nil for an epoch, adds none.
  init(
    _ context: UnlearningContext, _ options: FineTuningOptions,
    penalty: ((Int) throws -> Tensor?)? = nil
  ) throws {
    self.context = context
    self.options = options
    self.penalty = penalty
    descent = try Descent(context, options)
    walk = context.walk(context.retain, "retain", batchSize: options.batchSize)
  }

  var optimizer: (any Optimizer)? { descent.optimizer }
  var steps: Int { stepsPerEpoch * options.epochs }
  var stepsPerEpoch: Int { walk.stepsPerEpoch }

  func step(_ step: Int) throws -> StepOutcome {
    let batch = try walk.batch(step: step)
    let labels = try batch.labels.to(context.session.device)
    let loss = try descent.descend(epoch: Double(step) / Double(stepsPerEpoch)) {
      let loss = try descent.logits(of: batch, step: step, "retain").crossEntropy(labels)
      guard let extra = try penalty?(step / stepsPerEpoch) else { return loss }
      return try loss + extra
    }
    return StepOutcome(loss: loss, samples: batch.indices.count)
  }
}
