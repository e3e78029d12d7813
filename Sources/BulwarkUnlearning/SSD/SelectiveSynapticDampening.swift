import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// Settings of selective synaptic dampening.
public struct DampeningOptions: Hashable, Sendable, Codable {
  /// How many times more important for the forget set a weight must be to be dampened: α.
  public var alpha: Double
  /// Strength of the dampening: λ.
  public var lambda: Double
  /// Images of one gradient.
  public var batchSize: Int

  /// The official defaults α 10, λ 1; batches of 64.
  public init(alpha: Double = 10, lambda: Double = 1, batchSize: Int = 64) {
    self.alpha = alpha
    self.lambda = lambda
    self.batchSize = batchSize
  }
}

/// SSD (Foster, Schoepf & Brintrup, AAAI 2024, eq. 4): weights that matter far more for the forget set
/// than for all data are scaled down; nothing is trained.
///
/// Importance I is the mean over batches of the squared gradient of the batch's cross-entropy, in
/// evaluation mode without random views: I_D over all training data, I_f over the forget set. Where
/// I_f > α · I_D: θ ← θ · min(1, λ · I_D / I_f). A mask, where there is one, limits the change.
final class SelectiveSynapticDampening: UniformProcedure {
  private let context: UnlearningContext
  private let options: DampeningOptions

  init(_ context: UnlearningContext, _ options: DampeningOptions) {
    self.context = context
    self.options = options
  }

  var optimizer: (any Optimizer)? { nil }
  let steps = 1
  let stepsPerEpoch = 1

  func step(_ step: Int) throws -> StepOutcome {
    let all = try importance(of: context.known)
    let lost = try importance(of: context.forget)
    let weights = try Tensor.cat(
      context.model.state.parameters.map { try $0.tensor.detach().reshape([-1]) })
    let factor = try Self.factor(all: all, lost: lost, options)
    try context.add(weights * (factor - 1))
    return StepOutcome(loss: 0, samples: context.known.count + context.forget.count)
  }

  /// What every weight is multiplied by, in 0...1.
  static func factor(all: Tensor, lost: Tensor, _ options: DampeningOptions) throws -> Tensor {
    let selected = try lost.gt(all * options.alpha)
    let dampening = try (all * options.lambda / lost.clamp(min: 1e-30)).clamp(max: 1)
    return try dampening.where(selected, else: dampening * 0 + 1)
  }

  private func importance(of members: [Int]) throws -> Tensor {
    var sum: Tensor?
    var batches = 0.0
    for start in stride(from: 0, to: members.count, by: options.batchSize) {
      let batch = Array(members[start..<min(start + options.batchSize, members.count)])
      let gradient = try context.gradientSum(batch, batchSize: batch.count) / Double(batch.count)
      let square = try gradient.square()
      sum = try sum.map { try $0 + square } ?? square
      batches += 1
    }
    guard let sum else { preconditionFailure("a forget set is not empty") }
    return try sum / batches
  }
}
