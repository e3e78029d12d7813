import BulwarkTensor

/// How a parameter gets its first values. Formulas as in PyTorch's `torch.nn.init`.
public enum Initializer: Sendable {
  /// All elements equal.
  case constant(Double)
  /// Normal with this standard deviation.
  case normal(Double)
  /// He et al. 2015, eq. 10 with the fan of the backward pass: std = √(2 / (out · k · k)).
  case kaimingNormalFanOut
  /// PyTorch's default for linear and convolution layers: uniform in ±1/√fanIn.
  case uniformFanIn(Int)

  func make(_ shape: [Int], key: RandomKey) throws -> Tensor {
    switch self {
    case .constant(let value):
      return try Tensor.full(shape, value)
    case .normal(let deviation):
      return try key.normal(shape) * deviation
    case .kaimingNormalFanOut:
      let fanOut = shape[0] * shape.dropFirst(2).reduce(1, *)
      return try key.normal(shape) * (2 / Double(fanOut)).squareRoot()
    case .uniformFanIn(let fanIn):
      let bound = 1 / Double(fanIn).squareRoot()
      return try key.uniform(shape, from: -bound, to: bound)
    }
  }
}
