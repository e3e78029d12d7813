import BulwarkTensor

/// Blurs with a Gaussian of random width, with a probability.
///
/// Weights are `exp(-x^2 / (2 sigma^2))` at whole pixels within the kernel, normalized, along rows
/// and columns. torchvision's `GaussianBlur(kernel_size, sigma)` is `border: .reflect`. The official
/// DBD code blurs with Pillow's `GaussianBlur(radius)`, whose radius is the standard deviation and
/// which approximates the Gaussian by three box blurs and repeats the border: `.replicate` with the
/// default kernel is that without the approximation. Parameter per sample: sigma, 0 for no blur.
public struct GaussianBlur: Augmentation {
  /// What stands outside the image.
  public enum Border: String, Sendable, Codable {
    /// The image mirrored at its border, the border itself not repeated.
    case reflect
    /// The border repeated.
    case replicate
  }

  /// Share of samples that are blurred, 0...1.
  public let probability: Double
  /// Smallest and largest standard deviation in pixels; drawn uniformly.
  public let sigma: [Double]
  /// Kernel length in pixels, odd.
  public let kernelSize: Int
  /// What stands outside the image.
  public let border: Border

  /// Makes the augmentation.
  /// - Parameters:
  ///   - probability: share of samples that are blurred, 0...1.
  ///   - sigma: range of the standard deviation in pixels, above 0.
  ///   - kernelSize: odd; nil reaches 3 standard deviations of the widest blur to each side.
  ///   - border: what stands outside the image.
  public init(
    probability: Double = 0.5, sigma: ClosedRange<Double> = 0.1...2, kernelSize: Int? = nil,
    border: Border = .replicate
  ) {
    precondition(sigma.upperBound < 1000, "sigma is below 1,000 pixels")
    let size = kernelSize ?? 2 * Int((3 * sigma.upperBound).rounded(.up)) + 1
    self.probability = probability
    self.sigma = [sigma.lowerBound, sigma.upperBound]
    self.kernelSize = size
    self.border = border
    requireSound()
  }

  /// A probability outside 0...1, sigmas that are not two positive numbers in order, an even kernel.
  public var problem: String? {
    if !(0...1).contains(probability) { return "a probability of \(probability)" }
    guard sigma.count == 2, sigma[0] > 0, sigma[0] <= sigma[1], sigma[1] < 1000 else {
      return "a sigma of \(sigma)"
    }
    return (1..<8000).contains(kernelSize) && kernelSize % 2 == 1
      ? nil : "a kernel of \(kernelSize) pixels"
  }

  /// The standard deviation.
  public var parameterCount: Int { 1 }

  /// A standard deviation, or 0.
  public func draw(
    count: Int, height: Int, width: Int, generator: inout KeyedGenerator,
    into target: inout ArraySlice<Float>
  ) {
    for sample in 0..<count {
      let blurred = generator.uniform() < probability
      let drawn = generator.uniform(sigma[0], sigma[1])
      target[target.startIndex + sample] = blurred ? Float(drawn) : 0
    }
  }

  /// Blurs with one banded matrix per sample and direction.
  public func apply(_ images: Tensor, parameters: Tensor) throws -> Tensor {
    let shape = images.shape
    let device = images.device
    let radius = kernelSize / 2
    let offsets = try SeparableMap.counting(kernelSize, device: device) - Double(radius)
    let widths = try parameters.reshape([-1, 1])
    let safe = try widths.where(widths.gt(0), else: widths * 0 + 1)
    let raw = try ((offsets / safe).square() * -0.5).exp()
    let weights = try raw / raw.sum([1], keep: true)
    func matrix(_ length: Int) throws -> Tensor {
      // [T, length]: where tap t of output y reads.
      let grid = try offsets.reshape([kernelSize, 1])
      var positions = try grid + SeparableMap.counting(length, device: device)
      if border == .reflect {
        positions = try SeparableMap.reflected(positions, length: length)
      } else {
        positions = try positions.clamp(min: 0, max: Double(length - 1))
      }
      let reads = try SeparableMap.selection(positions, length: length)
      return try weights.matmul(reads.reshape([kernelSize, length * length]))
        .reshape([-1, length, length])
    }
    let result = try SeparableMap.apply(
      images, rows: matrix(shape[2]), columns: matrix(shape[3]))
    return try result.where(row(0, of: parameters).gt(0), else: images)
  }

  /// The kernel's form.
  public var fusedStep: FusedStep {
    FusedStep(code: .blur, option: kernelSize / 2, secondOption: border == .reflect ? 1 : 0)
  }
}
