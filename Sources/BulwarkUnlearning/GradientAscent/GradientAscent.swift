import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// Settings of gradient ascent.
public struct GradientAscentOptions: Hashable, Sendable, Codable {
  /// Optimizer, epochs and step size.
  public var training: FineTuningOptions

  /// Five epochs; 1e-4 lies in the middle of the paper's 1e-5...1e-3, and everything depends on it.
  public init(training: FineTuningOptions = FineTuningOptions(epochs: 5, learningRate: 1e-4)) {
    self.training = training
  }
}

/// GA (Thudi et al. 2022; Graves et al. 2021): ascent on the cross-entropy of the forget set alone,
/// in training mode as in SalUn's official code.
final class GradientAscent: UniformProcedure {
  private let context: UnlearningContext
  private let options: GradientAscentOptions
  private let descent: Descent
  private var walk: BatchWalk

  init(_ context: UnlearningContext, _ options: GradientAscentOptions) throws {
    self.context = context
    self.options = options
    descent = try Descent(context, options.training)
    walk = context.walk(context.forget, "forget", batchSize: options.training.batchSize)
  }

  var optimizer: (any Optimizer)? { descent.optimizer }
  var steps: Int { stepsPerEpoch * options.training.epochs }
  var stepsPerEpoch: Int { walk.stepsPerEpoch }

  func step(_ step: Int) throws -> StepOutcome {
    let batch = try walk.batch(step: step)
    let labels = try batch.labels.to(context.session.device)
    let loss = try descent.descend(epoch: Double(step) / Double(stepsPerEpoch)) {
      try -descent.logits(of: batch, step: step, "forget").crossEntropy(labels)
    }
    return StepOutcome(loss: loss, samples: batch.indices.count)
  }
}
