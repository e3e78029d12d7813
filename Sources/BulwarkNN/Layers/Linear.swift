import BulwarkTensor

/// Fully connected layer; [N, in] → [N, out].
public struct Linear {
  /// [out, in], float32.
  public let weight: Tensor
  /// [out], float32.
  public let bias: Tensor

  /// Registers `weight` and `bias` under `path`, both uniform in ±1/√in (PyTorch's default) unless
  /// an initializer for the weight is given; then the bias is 0.
  public init(
    _ path: ParameterPath, in input: Int, out output: Int, initializer: Initializer? = nil
  ) throws {
    weight = try (path / "weight").parameter([output, input], initializer ?? .uniformFanIn(input))
    bias = try (path / "bias").parameter(
      [output], initializer == nil ? .uniformFanIn(input) : .constant(0))
  }

  /// The layer's output.
  public func callAsFunction(_ x: Tensor) throws -> Tensor {
    try x.linear(weight: weight, bias: bias)
  }
}
