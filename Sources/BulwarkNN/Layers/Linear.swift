import BulwarkTensor

/// Fully connected layer; [N, in] → [N, out].
public struct Linear {
  /// [out, in], float32.
  public let weight: Tensor
  /// [out], float32.
  public let bias: Tensor
  private let name: String
  private let arithmetic: LayerArithmetic

  /// Registers `weight` and `bias` under `path`, both uniform in ±1/√in (PyTorch's default) unless
  /// an initializer for the weight is given; then the bias is 0.
  public init(
    _ path: ParameterPath, in input: Int, out output: Int, initializer: Initializer? = nil
  ) throws {
    weight = try (path / "weight").parameter([output, input], initializer ?? .uniformFanIn(input))
    bias = try (path / "bias").parameter(
      [output], initializer == nil ? .uniformFanIn(input) : .constant(0))
    name = path.prefix
    arithmetic = path.store.arithmetic
  }

  /// The layer's output.
  public func callAsFunction(_ x: Tensor) throws -> Tensor {
    try arithmetic.output(name, x) {
      try x.linear(weight: weight, bias: bias)
    } integers: { input, ranges in
      try input.integerLinear(weight: weight.to(.cpu), bias: bias.to(.cpu), ranges: ranges)
    }
  }
}
