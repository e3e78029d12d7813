import BulwarkTensor

/// Replaces color by gray (in all three channels) with a probability.
///
/// Gray is 0.299 R + 0.587 G + 0.114 B, Pillow's weights. Images of one channel stay as they are.
public struct Grayscale: ChanceAugmentation {
  /// Share of samples that are made gray, 0...1.
  public let probability: Double

  /// Makes the augmentation.
  public init(probability: Double = 0.2) {
    self.probability = probability
    requireSound()
  }

  /// Chooses between the image and its gray version.
  public func apply(_ images: Tensor, parameters: Tensor) throws -> Tensor {
    guard images.shape[1] == 3 else { return images }
    let gray = try Grayscale.luma(images).expand(images.shape)
    return try gray.where(row(0, of: parameters).ne(0), else: images)
  }

  /// The gray of RGB images; images of one channel themselves.
  /// - Parameter images: `[B, C, H, W]`, float32.
  /// - Returns: `[B, 1, H, W]`.
  /// - Throws: `TensorError` when LibTorch refuses the shapes.
  static func luma(_ images: Tensor) throws -> Tensor {
    guard images.shape[1] == 3 else { return images }
    let red = try images.narrow(1, start: 0, length: 1) * 0.299
    let green = try images.narrow(1, start: 1, length: 1) * 0.587
    let blue = try images.narrow(1, start: 2, length: 1) * 0.114
    return try red + green + blue
  }

  /// The kernel's form.
  public var fusedStep: FusedStep { FusedStep(code: .grayscale) }
}
