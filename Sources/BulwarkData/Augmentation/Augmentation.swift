import BulwarkTensor

/// One augmentation of image batches: how its random parameters are drawn and what they do.
///
/// The two halves are apart so that the same parameters can be given to LibTorch (`apply`, any
/// device) and to the fused CPU kernel (`fusedStep`), which must agree to 1e-4.
public protocol Augmentation: Sendable, Hashable, Codable {
  /// What is impossible about the settings, in words; nil when nothing is. Settings read from a
  /// recipe bypass initializers, so pipelines ask before they run.
  var problem: String? { get }

  /// Parameters per sample.
  var parameterCount: Int { get }

  /// Rows and columns of the output for an input of this size.
  func outputSize(height: Int, width: Int) -> (height: Int, width: Int)

  /// Draws the parameters of a batch.
  /// - Parameters:
  ///   - count: samples in the batch.
  ///   - height: rows of the input.
  ///   - width: columns of the input.
  ///   - generator: the random numbers; used in sample order.
  ///   - target: `parameterCount * count` numbers; parameter *p* of sample *i* at `p * count + i`.
  func draw(
    count: Int, height: Int, width: Int, generator: inout KeyedGenerator,
    into target: inout ArraySlice<Float>)

  /// Applies drawn parameters with tensor operations.
  /// - Parameters:
  ///   - images: `[B, C, H, W]`, float32 in 0...1, any device.
  ///   - parameters: `[parameterCount, B]`, float32, on the same device.
  /// - Returns: `[B, C, H', W']`, float32.
  /// - Throws: `TensorError` when the shapes do not fit.
  func apply(_ images: Tensor, parameters: Tensor) throws -> Tensor

  /// The kernel's form of this augmentation.
  var fusedStep: FusedStep { get }
}

/// One step of the fused CPU kernel (`augment.cpp`).
public struct FusedStep: Sendable, Hashable {
  /// The kernel's step codes.
  public enum Code: Int, Sendable {
    /// Crop and resize.
    case resample
    /// Shift with padding.
    case padCrop
    /// Mirror left to right.
    case flip
    /// Brightness, contrast, saturation and hue in a drawn order.
    case jitter
    /// Color to gray.
    case grayscale
    /// Gaussian blur.
    case blur
    /// Subtract the mean, divide by the deviation.
    case normalize
  }
  let code: Code
  var option = 0
  var secondOption = 0
  var constants: [Float] = []
}

extension Augmentation {
  /// The input's size.
  public func outputSize(height: Int, width: Int) -> (height: Int, width: Int) { (height, width) }

  /// Stops the program when a caller in Swift passes impossible settings.
  func requireSound() {
    precondition(problem == nil, problem ?? "")
  }

  /// Row `index` of the parameters as `[B, 1, 1, 1]`.
  func row(_ index: Int, of parameters: Tensor) throws -> Tensor {
    try parameters.narrow(0, start: index, length: 1).reshape([-1, 1, 1, 1])
  }
}

extension KeyedGenerator {
  /// A number uniform in `low..<high`.
  mutating func uniform(_ low: Double, _ high: Double) -> Double { low + (high - low) * uniform() }

  /// A whole number uniform in `0..<bound`.
  mutating func integer(below bound: Int) -> Int { min(bound - 1, Int(uniform() * Double(bound))) }
}
