/// Smallest and largest values that go into a layer and come out of it, for 8-bit integers.
public struct LayerRanges: Hashable, Sendable {
  /// Of the input.
  public var input: ClosedRange<Double>
  /// Of the output.
  public var output: ClosedRange<Double>

  /// Two ranges.
  public init(input: ClosedRange<Double>, output: ClosedRange<Double>) {
    self.input = input
    self.output = output
  }

  fileprivate var values: [Double] {
    [input.lowerBound, input.upperBound, output.lowerBound, output.upperBound]
  }
}

/// Layers on 8-bit integers: LibTorch's `quantized` operators, CPU only, without gradients.
///
/// Inputs become unsigned integers on 128 steps across their range (7 bits, as in PyTorch's own
/// configuration for x86, since processors without VNNI add two products in 16 bits), weights signed ones of
/// 8 bits with one scale for each output channel; products are summed as 32-bit integers, and sums are
/// rounded to 256 steps across the output's range. Values outside of a range take its nearest end.
extension Tensor {
  /// The weights that the integers stand for: every output channel on at most 255 levels.
  ///
  /// - Returns: float32, of the same shape, whose own integers are the same again.
  /// - Throws: `TensorError`.
  public func integerWeights() throws -> Tensor {
    try Tensor.make { $0.integer_weights(handle, $1) }
  }

  /// Convolution on integers; [N, in, H, W] → [N, out, H', W'], float32.
  ///
  /// - Throws: `TensorError` where LibTorch has no integer kernels, as on a GPU.
  public func integerConv2d(
    weight: Tensor, bias: Tensor? = nil, stride: Int = 1, padding: Int = 0, ranges: LayerRanges
  ) throws -> Tensor {
    try Tensor.make { api, out in
      api.integer_conv2d(
        handle, weight.handle, bias?.handle, Int64(stride), Int64(padding), ranges.values, out)
    }
  }

  /// Linear layer on integers; [N, in] → [N, out], float32.
  ///
  /// - Throws: `TensorError` where LibTorch has no integer kernels, as on a GPU.
  public func integerLinear(weight: Tensor, bias: Tensor? = nil, ranges: LayerRanges) throws
    -> Tensor
  {
    try Tensor.make { api, out in
      api.integer_linear(handle, weight.handle, bias?.handle, ranges.values, out)
    }
  }
}
