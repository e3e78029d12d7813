import BulwarkTensor

/// Augmentations applied one after the other to a batch, all randomness from one key.
///
/// Step *i* draws from `key.stream("augment").step(i)` in sample order, so the same key gives the
/// same parameters on every device and in every implementation. Call it outside autocast: the tensor
/// operations multiply by float32 matrices.
public struct AugmentationPipeline: Sendable, Hashable, Codable {
  /// How the work is done.
  public enum Implementation: Sendable {
    /// The fused kernel on the CPU, tensor operations elsewhere.
    case automatic
    /// The fused kernel; CPU only.
    case fused
    /// Tensor operations.
    case tensors
  }

  /// The steps in order.
  public let steps: [AugmentationStep]

  /// Makes a pipeline.
  public init(_ steps: [AugmentationStep]) { self.steps = steps }

  /// Applies all steps with parameters drawn for this batch.
  /// - Parameters:
  ///   - images: `[B, C, H, W]`, uint8, or float32 in 0...1; C is 1 or 3; any device.
  ///   - key: the source of all randomness; derive it from (seed, epoch, step, view).
  ///   - implementation: how the work is done.
  /// - Returns: `[B, C, H', W']`, float32, on the images' device; in 0...1 before any `normalize`.
  /// - Throws: `DataError.inconsistent` when a step does not fit the images or has impossible
  ///   settings; `TensorError`.
  public func apply(
    _ images: Tensor, key: RandomKey, implementation: Implementation = .automatic
  ) throws -> Tensor {
    let shape = images.shape
    try check(shape)
    let parameters = try draw(count: shape[0], height: shape[2], width: shape[3], key: key)
    return try apply(images, parameters: parameters, implementation: implementation)
  }

  /// Draws the parameters of all steps.
  /// - Returns: `[rows, count]`, float32, CPU; the steps' parameters below each other.
  public func draw(count: Int, height: Int, width: Int, key: RandomKey) throws -> Tensor {
    let rows = max(1, steps.map(\.augmentation.parameterCount).reduce(0, +))
    var values = [Float](repeating: 0, count: rows * count)
    var start = 0
    var size = (height: height, width: width)
    for (index, step) in steps.map(\.augmentation).enumerated() {
      var generator = key.stream("augment").step(index).generator()
      let end = start + step.parameterCount * count
      step.draw(
        count: count, height: size.height, width: size.width, generator: &generator,
        into: &values[start..<end])
      size = step.outputSize(height: size.height, width: size.width)
      start = end
    }
    return try Tensor(values, shape: [rows, count])
  }

  /// Applies all steps with given parameters.
  /// - Parameters:
  ///   - images: `[B, C, H, W]`, uint8, or float32 in 0...1.
  ///   - parameters: what `draw` gives for this batch.
  ///   - implementation: how the work is done.
  /// - Returns: `[B, C, H', W']`, float32.
  /// - Throws: `DataError.inconsistent` when a step does not fit the images; `TensorError`.
  public func apply(
    _ images: Tensor, parameters: Tensor, implementation: Implementation = .automatic
  ) throws -> Tensor {
    try check(images.shape)
    let fused =
      switch implementation {
      case .automatic: images.device == .cpu
      case .fused: true
      case .tensors: false
      }
    return try fused
      ? applyFused(images, parameters: parameters) : applyTensors(images, parameters: parameters)
  }

  private func applyTensors(_ images: Tensor, parameters: Tensor) throws -> Tensor {
    var current = images.dtype == .uint8 ? try ImageDataset.unitRange(images) : images
    let parameters = try parameters.to(images.device)
    var row = 0
    for step in steps.map(\.augmentation) {
      let own = try parameters.narrow(0, start: row, length: step.parameterCount)
      current = try step.apply(current, parameters: own)
      row += step.parameterCount
    }
    return current
  }

  private func applyFused(_ images: Tensor, parameters: Tensor) throws -> Tensor {
    var program: [Int] = []
    var constants: [Float] = []
    var row = 0
    var size = (height: images.shape[2], width: images.shape[3])
    for step in steps.map(\.augmentation) {
      let form = step.fusedStep
      size = step.outputSize(height: size.height, width: size.width)
      program += [
        form.code.rawValue, row, size.height, size.width, form.option, form.secondOption,
        constants.count, 0,
      ]
      constants += form.constants
      row += step.parameterCount
    }
    return try images.augmented(program: program, constants: constants, parameters: parameters)
  }

  private func check(_ shape: [Int]) throws {
    func fail(_ reason: String) -> DataError { .inconsistent(path: "augmentation", reason: reason) }
    guard shape.count == 4, shape[1] == 1 || shape[1] == 3 else {
      throw fail("images are \(shape), expected [B, 1 or 3, H, W]")
    }
    var size = (height: shape[2], width: shape[3])
    for step in steps {
      if let problem = step.augmentation.problem { throw fail("\(problem) is impossible") }
      let side = min(size.height, size.width)
      switch step {
      case .padCrop(let crop) where crop.padding >= side:
        throw DataError.invalidOption(
          name: "augmentation.padding", value: "\(crop.padding)",
          expected: "less than the \(side) pixels of the images")
      case .gaussianBlur(let blur) where blur.border == .reflect && blur.kernelSize / 2 >= side:
        throw DataError.invalidOption(
          name: "the blur's kernel", value: "\(blur.kernelSize)",
          expected: "less than twice the \(side) pixels of the images")
      case .normalize(let normalize) where normalize.mean.count != shape[1]:
        throw fail("\(normalize.mean.count) means for images of \(shape[1]) channels")
      default: break
      }
      size = step.augmentation.outputSize(height: size.height, width: size.width)
    }
  }
}
