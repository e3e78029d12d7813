import BulwarkTensor

/// An augmentation that a sample gets or does not get, always in the same form. Parameter per sample: 1 it gets it, 0
/// it does not.
public protocol ChanceAugmentation: Augmentation {
  /// Share of samples that get it, 0...1.
  var probability: Double { get }
}

extension ChanceAugmentation {
  /// A probability outside 0...1.
  public var problem: String? {
    (0...1).contains(probability) ? nil : "a probability of \(probability)"
  }

  /// Whether the sample gets it.
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
}
