import BulwarkTensor

/// Symmetric cross-entropy (Wang et al. 2019, eq. 7), as DBD uses it: α·CE + β·RCE.
///
/// RCE = −Σ_k max(p_k, 1e-7) · log max(onehot_k, 1e-4), natural logarithm; log 1e-4 is the "A" of
/// the paper. DBD's official configuration is α 0.1, β 1.
public struct SymmetricCrossEntropy: Hashable, Sendable, Codable {
  /// Weight of the cross-entropy.
  public var alpha: Double
  /// Weight of the reverse cross-entropy.
  public var beta: Double

  /// The loss with these weights.
  public init(alpha: Double = 0.1, beta: Double = 1) {
    self.alpha = alpha
    self.beta = beta
  }

  /// One value a sample, [N]; logits [N, C], labels int64 [N].
  public func perSample(_ logits: Tensor, _ labels: Tensor) throws -> Tensor {
    let forward = try logits.crossEntropy(labels, perSample: true)
    let probabilities = try logits.softmax(1).clamp(min: 1e-7, max: 1)
    let targets = try labels.oneHot(logits.shape[1]).clamp(min: 1e-4, max: 1).log()
    let reverse = try -(probabilities * targets).sum([1])
    return try alpha * forward + beta * reverse
  }

  /// Mean over the batch.
  public func callAsFunction(_ logits: Tensor, _ labels: Tensor) throws -> Tensor {
    try perSample(logits, labels).mean()
  }
}
