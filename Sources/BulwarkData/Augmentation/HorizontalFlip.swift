import BulwarkTensor

/// Mirrors images left to right with a probability.
public struct HorizontalFlip: ChanceAugmentation {
  /// Share of samples that are mirrored, 0...1.
  public let probability: Double

  /// Makes the augmentation.
  public init(probability: Double = 0.5) {
    self.probability = probability
    requireSound()
  }

  /// Chooses between the image and its mirror.
  public func apply(_ images: Tensor, parameters: Tensor) throws -> Tensor {
    try images.flip([3]).where(row(0, of: parameters).ne(0), else: images)
  }

  /// The kernel's form.
  public var fusedStep: FusedStep { FusedStep(code: .flip) }
}
