import BulwarkTensor

/// Two-dimensional convolution with square kernels; [N, in, H, W] → [N, out, H', W'].
public struct Conv2d {
  /// [out, in, k, k], float32.
  public let weight: Tensor
  /// [out], float32.
  public let bias: Tensor?
  let stride: Int
  let padding: Int
  private let name: String
  private let arithmetic: LayerArithmetic

  /// Registers `weight` (He, fan-out) and, if asked for, `bias` (PyTorch's default) under `path`.
  public init(
    _ path: ParameterPath, in input: Int, out output: Int, kernel: Int, stride: Int = 1,
    padding: Int = 0, bias hasBias: Bool = false, initializer: Initializer = .kaimingNormalFanOut
  ) throws {
    weight = try (path / "weight").parameter([output, input, kernel, kernel], initializer)
    bias =
      hasBias
      ? try (path / "bias").parameter([output], .uniformFanIn(input * kernel * kernel)) : nil
    self.stride = stride
    self.padding = padding
    name = path.prefix
    arithmetic = path.store.arithmetic
  }

  /// The layer's output.
  public func callAsFunction(_ x: Tensor) throws -> Tensor {
    try arithmetic.output(name, x) {
      try x.conv2d(weight: weight, bias: bias, stride: stride, padding: padding)
    } integers: { input, ranges in
      try input.integerConv2d(
        weight: weight.to(.cpu), bias: bias?.to(.cpu), stride: stride, padding: padding,
        ranges: ranges)
    }
  }
}
