import BulwarkTensor

/// Batch normalization (Ioffe & Szegedy 2015) over all dimensions but the second.
///
/// PyTorch's conventions: momentum 0.1 is the weight of the new batch, epsilon 1e-5, the running
/// variance is the unbiased one.
public struct BatchNorm {
  /// Scale, [C].
  public let weight: Tensor
  /// Shift, [C].
  public let bias: Tensor
  /// Running mean, [C].
  public let runningMean: Tensor
  /// Running variance, [C].
  public let runningVariance: Tensor
  /// Number of training batches seen, int64 scalar.
  public let batchCount: Tensor
  let momentum: Double
  let epsilon: Double

  /// Registers the five tensors under `path`: scale 1, shift 0, mean 0, variance 1, count 0.
  public init(_ path: ParameterPath, channels: Int, momentum: Double = 0.1, epsilon: Double = 1e-5)
    throws
  {
    weight = try (path / "weight").parameter([channels], .constant(1))
    bias = try (path / "bias").parameter([channels], .constant(0))
    runningMean = try (path / "running_mean").buffer(Tensor.zeros([channels]))
    runningVariance = try (path / "running_var").buffer(Tensor.ones([channels]))
    batchCount = try (path / "num_batches_tracked").buffer(Tensor.zeros([], dtype: .int64))
    self.momentum = momentum
    self.epsilon = epsilon
  }

  /// The normalized input, plus `residual`, through the ReLU where asked for; in training mode the
  /// running statistics move.
  public func callAsFunction(
    _ x: Tensor, _ mode: Mode, adding residual: Tensor? = nil, relu: Bool = false
  ) throws -> Tensor {
    if mode == .training { try batchCount.increment() }
    return try x.batchNorm(
      weight: weight, bias: bias, runningMean: runningMean, runningVariance: runningVariance,
      training: mode == .training, momentum: momentum, epsilon: epsilon, adding: residual,
      relu: relu)
  }
}

extension Tensor {
  fileprivate func increment() throws { try withoutGradients { try copy(from: self + 1) } }
}
