import BulwarkTensor

/// SimCLR's contrastive loss (Chen et al. 2020, eq. 1) over two views of a batch.
public struct NTXent: Hashable, Sendable, Codable {
  /// Temperature τ.
  public var temperature: Double
  /// Whether both views are anchors, as in the paper. DBD's official code uses view 1 only.
  public var isSymmetric: Bool

  /// The loss with this temperature; one-sided by default, as in DBD's official code.
  public init(temperature: Double = 0.5, isSymmetric: Bool = false) {
    self.temperature = temperature
    self.isSymmetric = isSymmetric
  }

  /// Mean over the anchors, in nats; `first` and `second` are embeddings [N, D] of unit length.
  ///
  /// For anchor i: −log( exp(z_i·z_i′/τ) / Σ_{j ≠ i} exp(z_i·z_j/τ) ), j over all 2N−1 others.
  public func callAsFunction(_ first: Tensor, _ second: Tensor) throws -> Tensor {
    let n = first.shape[0]
    let all = try Tensor.cat([first, second])
    let anchors = isSymmetric ? all : first
    let rows = anchors.shape[0]
    let similarities = try anchors.matmul(all.transpose(0, 1)) / temperature
    // An anchor is no candidate for itself.
    let own = try Tensor.arange(rows).to(first.device).oneHot(2 * n) * 1e9
    let positives = try (Tensor.arange(rows) + Double(n)).remainder(Double(2 * n)).to(first.device)
    return try (similarities - own).crossEntropy(positives)
  }
}
