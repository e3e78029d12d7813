import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// Settings of NegGrad+.
public struct NegGradPlusOptions: Hashable, Sendable, Codable {
  /// Optimizer, epochs and step size.
  public var training: FineTuningOptions
  /// Weight w of the retain set, 0...1; the forget set is ascended with 1 − w.
  public var retainWeight: Double

  /// Ten epochs at 0.01 and w 0.95.
  public init(
    training: FineTuningOptions = FineTuningOptions(learningRate: 0.01), retainWeight: Double = 0.95
  ) {
    self.training = training
    self.retainWeight = retainWeight
  }
}

/// NegGrad+ (Kurmanji et al., NeurIPS 2023): w · CE(D_r) − (1 − w) · CE(D_f), one batch of each a
/// step; the forget set is gone through again and again.
final class NegGradPlus: UniformProcedure {
  private let context: UnlearningContext
  private let options: NegGradPlusOptions
  private let descent: Descent
  private var retainWalk: BatchWalk
  private var forgetWalk: BatchWalk

  init(_ context: UnlearningContext, _ options: NegGradPlusOptions) throws {
    self.context = context
    self.options = options
    descent = try Descent(context, options.training)
    let batchSize = options.training.batchSize
    retainWalk = context.walk(context.retain, "retain", batchSize: batchSize)
    forgetWalk = context.walk(context.forget, "forget", batchSize: batchSize)
  }

  var optimizer: (any Optimizer)? { descent.optimizer }
  var steps: Int { stepsPerEpoch * options.training.epochs }
  var stepsPerEpoch: Int { retainWalk.stepsPerEpoch }

  func step(_ step: Int) throws -> StepOutcome {
    let device = context.session.device
    let kept = try retainWalk.batch(step: step)
    let gone = try forgetWalk.batch(step: step)
    let weight = options.retainWeight
    let loss = try descent.descend(epoch: Double(step) / Double(stepsPerEpoch)) {
      let keep = try descent.logits(of: kept, step: step, "retain")
        .crossEntropy(kept.labels.to(device))
      let lose = try descent.logits(of: gone, step: step, "forget")
        .crossEntropy(gone.labels.to(device))
      return try weight * keep - (1 - weight) * lose
    }
    return StepOutcome(loss: loss, samples: kept.indices.count + gone.indices.count)
  }
}
