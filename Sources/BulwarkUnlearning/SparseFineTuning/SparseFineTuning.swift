import BulwarkNN
import BulwarkTensor

/// Settings of ℓ1-sparse fine-tuning.
public struct SparseFineTuningOptions: Hashable, Sendable, Codable {
  /// Optimizer, epochs and step size.
  public var training: FineTuningOptions
  /// Weight γ of the ℓ1 norm in the first epoch; the paper tunes it in 1e-6...1e-4.
  public var gamma: Double
  /// Epochs at the end without the norm.
  public var plainEpochs: Int

  /// The settings of an independent rerun: 0.01 and 1e-4.
  public init(
    training: FineTuningOptions = FineTuningOptions(learningRate: 0.01), gamma: Double = 1e-4,
    plainEpochs: Int = 0
  ) {
    self.training = training
    self.gamma = gamma
    self.plainEpochs = plainEpochs
  }

  /// γ_t = γ · (1 − t / (epochs − plain epochs)), 0 from there on.
  public func weight(epoch: Int) -> Double {
    let sparse = training.epochs - plainEpochs
    guard sparse > 0, epoch < sparse else { return 0 }
    return gamma * (1 - Double(epoch) / Double(sparse))
  }
}

/// ℓ1-sparse (Jia et al., NeurIPS 2023, eq. 5): fine-tuning on the retain set with γ_t ‖θ‖₁ added, γ_t
/// falling linearly. As in the official code the norm covers all trainable weights, normalization
/// layers and biases included.
enum SparseFineTuning {
  static func procedure(_ context: UnlearningContext, _ options: SparseFineTuningOptions) throws
    -> any UnlearningProcedure
  {
    try FineTuning(context, options.training) { epoch in
      let weight = options.weight(epoch: epoch)
      guard weight > 0 else { return nil }
      let norms = try context.model.state.parameters.map { try $0.tensor.abs().sum().reshape([1]) }
      return try weight * Tensor.cat(norms).sum()
    }
  }
}
