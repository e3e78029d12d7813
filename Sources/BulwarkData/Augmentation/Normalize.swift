import BulwarkTensor

/// Subtracts a mean and divides by a standard deviation, channel by channel.
public struct Normalize: Augmentation {
  /// One mean per channel, of values in 0...1.
  public let mean: [Float]
  /// One standard deviation per channel, above 0.
  public let deviation: [Float]

  /// Makes the step. Values may come from a file: they are checked when the step runs.
  public init(mean: [Float], deviation: [Float]) {
    self.mean = mean
    self.deviation = deviation
  }

  /// Means and deviations of different number, or a deviation that is not above 0.
  public var problem: String? {
    guard mean.count == deviation.count else {
      return "\(mean.count) means and \(deviation.count) deviations"
    }
    let sound = deviation.allSatisfy { $0 > 0 && $0.isFinite } && mean.allSatisfy(\.isFinite)
    return sound ? nil : "means of \(mean) and deviations of \(deviation)"
  }

  /// The values that the official DBD code uses for CIFAR-10 in all stages.
  public static let cifar10 = Normalize(
    mean: [0.4914, 0.4822, 0.4465], deviation: [0.2023, 0.1994, 0.2010])

  /// None: nothing is random.
  public var parameterCount: Int { 0 }

  /// Draws nothing.
  public func draw(
    count: Int, height: Int, width: Int, generator: inout KeyedGenerator,
    into target: inout ArraySlice<Float>
  ) {}

  /// `(x - mean) / deviation`; the parameters are not used.
  public func apply(_ images: Tensor, parameters: Tensor) throws -> Tensor {
    try apply(images)
  }

  /// `(x - mean) / deviation`.
  /// - Parameter images: `[B, C, H, W]`, float32, any device.
  /// - Returns: the same shape, float32.
  /// - Throws: `DataError.inconsistent` when the number of channels differs or a deviation is 0.
  public func apply(_ images: Tensor) throws -> Tensor {
    if let problem {
      throw DataError.inconsistent(path: "normalization", reason: "\(problem) is impossible")
    }
    guard images.shape[1] == mean.count else {
      throw DataError.inconsistent(
        path: "normalization",
        reason: "\(mean.count) means for images of \(images.shape[1]) channels")
    }
    let shape = [1, mean.count, 1, 1]
    let means = try Tensor(mean, shape: shape).to(images.device)
    let deviations = try Tensor(deviation, shape: shape).to(images.device)
    return try (images - means) / deviations
  }

  /// The kernel's form.
  public var fusedStep: FusedStep {
    FusedStep(code: .normalize, constants: mean + deviation)
  }
}
