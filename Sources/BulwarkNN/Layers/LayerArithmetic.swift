import BulwarkTensor

/// What the convolutions and linear layers of a model compute with.
///
/// A model is made with floating-point arithmetic. `ImageClassifier.useIntegers` lets every layer note the
/// ranges of what goes in and comes out, and then compute on 8-bit integers.
final class LayerArithmetic {
  private enum Phase {
    case floating
    case observing
    case integers
  }

  private var phase = Phase.floating
  private var ranges: [String: LayerRanges] = [:]

  var usesIntegers: Bool { phase == .integers }

  /// Notes the ranges of all layers that `pass` runs through, and computes on integers from then on.
  ///
  /// - Throws: what `pass` throws; the arithmetic is floating-point again then.
  func observe(_ pass: () throws -> Void) throws {
    ranges = [:]
    phase = .observing
    do {
      try pass()
      phase = .integers
    } catch {
      phase = .floating
      throw error
    }
  }

  /// A layer's output by the arithmetic of the moment.
  ///
  /// - Parameters:
  ///   - layer: its path.
  ///   - input: what goes in.
  ///   - floating: its output in floating-point.
  ///   - integers: its output on integers, of an input on the CPU.
  /// - Returns: its output, on the device of the input.
  /// - Throws: what these throw.
  func output(
    _ layer: String, _ input: Tensor, floating: () throws -> Tensor,
    integers: (Tensor, LayerRanges) throws -> Tensor
  ) throws -> Tensor {
    switch phase {
    case .floating: return try floating()
    case .observing:
      let output = try floating()
      let seen = LayerRanges(
        input: try LayerArithmetic.range(input), output: try LayerArithmetic.range(output))
      ranges[layer] =
        ranges[layer].map {
          LayerRanges(
            input: LayerArithmetic.union($0.input, seen.input),
            output: LayerArithmetic.union($0.output, seen.output))
        } ?? seen
      return output
    case .integers:
      guard let known = ranges[layer] else { return try floating() }
      return try integers(input.to(.cpu), known).to(input.device)
    }
  }

  private static func range(_ values: Tensor) throws -> ClosedRange<Double> {
    let (low, high) = (try values.min().item(), try values.max().item())
    // Not a number: no range, and the comparison of results will show it.
    return low <= high ? low...high : 0...0
  }

  private static func union(_ a: ClosedRange<Double>, _ b: ClosedRange<Double>) -> ClosedRange<
    Double
  > {
    min(a.lowerBound, b.lowerBound)...max(a.upperBound, b.upperBound)
  }
}

extension ImageClassifier {
  /// Whether convolutions and linear layers compute on 8-bit integers.
  public var usesIntegers: Bool { state.arithmetic.usesIntegers }

  /// Lets convolutions and linear layers compute on 8-bit integers from here on (`Tensor.integerConv2d`);
  /// normalization, activation and pooling stay in floating point. For inference: nothing can be trained
  /// afterwards. Ranges are smallest and largest values on the given images (min-max calibration); weights
  /// become those that their integers stand for. Integers are computed on the CPU wherever the model is.
  ///
  /// - Parameter batches: [N, C, H, W] each, float32, normalized: ordinary images.
  /// - Throws: `TensorError`.
  public func useIntegers(calibratedOn batches: [Tensor]) throws {
    try withoutGradients {
      for entry in state.parameters where entry.tensor.rank >= 2 {
        try entry.tensor.copy(from: entry.tensor.to(.cpu).integerWeights())
      }
      try state.arithmetic.observe {
        for batch in batches { _ = try logits(batch, .evaluation) }
      }
    }
  }
}
