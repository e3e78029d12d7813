import CTorch

extension Tensor {
  /// Runs a program of image augmentations over every sample in one pass (CPU).
  ///
  /// BulwarkData compiles its pipelines to such programs; the steps are listed in `augment.cpp`.
  ///
  /// - Parameters:
  ///   - program: eight numbers for each step: code, first row of `parameters`, output height,
  ///     output width, two options, first constant, 0.
  ///   - constants: means and deviations of the normalizing steps.
  ///   - parameters: `[rows, B]`, float32: one column for each sample.
  /// - Returns: `[B, C, H', W']`, float32; `self` is `[B, C, H, W]`, uint8 (read as 0...1) or
  ///   float32, on the CPU.
  /// - Throws: `TensorError.operation` when shapes, dtypes or codes do not fit.
  public func augmented(program: [Int], constants: [Float], parameters: Tensor) throws -> Tensor {
    precondition(program.count % 8 == 0, "a step has eight numbers")
    let numbers = program.map(Int64.init)
    // LibTorch never sees the addresses of empty lists.
    let values = constants.isEmpty ? [Float(0)] : constants
    return try Tensor.make {
      $0.augment(
        handle, parameters.handle, numbers.isEmpty ? [0] : numbers, Int32(numbers.count / 8),
        values, Int32(constants.count), $1)
    }
  }
}
