import BulwarkTensor

/// Mirrors images left to right with a probability. Parameter per sample: 1 mirrored, 0 not.
public struct HorizontalFlip: Augmentation {
  /// Share of samples that are mirrored, 0...1.
  public let probability: Double

  /// Makes the augmentation.
  public init(probability: Double = 0.5) {
    self.probability = probability
    requireSound()
  }

  /// A probability outside 0...1.
  public var problem: String? {
    (0...1).contains(probability) ? nil : "a probability of \(probability)"
  }

  /// Whether the sample is mirrored.
  public var parameterCount: Int { 1 }

  /// 1 with the probability, else 0.
  public func draw(
    count: Int, height: Int, width: Int, generator: inout KeyedGenerator,
    into target: inout ArraySlice<Float>
  ) {
    for sample in 0..<count {
      target[target.startIndex + sample] = generator.uniform() < probability ? 1 : 0
    }
  }

  /// Chooses between the image and its mirror.
  public func apply(_ images: Tensor, parameters: Tensor) throws -> Tensor {
    try images.flip([3]).where(row(0, of: parameters).ne(0), else: images)
  }

  /// The kernel's form.
  public var fusedStep: FusedStep { FusedStep(code: .flip) }
}
