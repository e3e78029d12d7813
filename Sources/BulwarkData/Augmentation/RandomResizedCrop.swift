import BulwarkTensor
import Foundation

/// Cuts out a random rectangle and scales it to a fixed size.
///
/// The rectangle follows torchvision's `RandomResizedCrop.get_params` exactly: up to ten tries of
/// area `U(scale) * H * W` and aspect ratio `exp(U(log ratio))`, whole-number sides and position,
/// else the largest central crop within the ratios. Scaling is Pillow's (`Image.resize` with
/// BILINEAR or BICUBIC, a = -0.5, antialiased when shrinking) on the cut-out alone, clamped to
/// 0...1. Deviation: no rounding to 8 bits, so values differ from Pillow's by up to 1/255 per pass.
/// Parameters per sample: top, left, height, width.
public struct RandomResizedCrop: Augmentation {
  /// How pixels are interpolated.
  public enum Filter: String, Sendable, Codable {
    /// Triangle filter.
    case bilinear
    /// Keys' cubic with a = -0.5.
    case bicubic
  }

  /// Rows of the output.
  public let height: Int
  /// Columns of the output.
  public let width: Int
  /// Smallest and largest share of the image's area.
  public let scale: [Double]
  /// Smallest and largest width : height.
  public let ratio: [Double]
  /// How pixels are interpolated.
  public let filter: Filter

  /// Makes the augmentation; the defaults are the official DBD configuration's.
  public init(
    height: Int, width: Int, scale: ClosedRange<Double> = 0.2...1,
    ratio: ClosedRange<Double> = 0.75...(4.0 / 3.0), filter: Filter = .bicubic
  ) {
    self.height = height
    self.width = width
    self.scale = [scale.lowerBound, scale.upperBound]
    self.ratio = [ratio.lowerBound, ratio.upperBound]
    self.filter = filter
    requireSound()
  }

  /// An empty output, or ranges that are not two positive numbers in order.
  public var problem: String? {
    let sides = 1...ImageCodec.maximumSide
    guard sides.contains(height), sides.contains(width) else {
      return "an output of \(height) x \(width) pixels"
    }
    for (name, range) in [("scale", scale), ("ratio", ratio)] {
      guard range.count == 2, range[0] > 0, range[0] <= range[1], range[1] < 1000 else {
        return "a \(name) of \(range)"
      }
    }
    return nil
  }

  /// Top, left, height and width of the cut-out.
  public var parameterCount: Int { 4 }

  /// The size asked for.
  public func outputSize(height: Int, width: Int) -> (height: Int, width: Int) {
    (self.height, self.width)
  }

  /// Draws one rectangle per sample.
  public func draw(
    count: Int, height: Int, width: Int, generator: inout KeyedGenerator,
    into target: inout ArraySlice<Float>
  ) {
    let start = target.startIndex
    for sample in 0..<count {
      let box = rectangle(height: height, width: width, generator: &generator)
      target[start + sample] = Float(box.top)
      target[start + count + sample] = Float(box.left)
      target[start + 2 * count + sample] = Float(box.height)
      target[start + 3 * count + sample] = Float(box.width)
    }
  }

  private func rectangle(
    height: Int, width: Int, generator: inout KeyedGenerator
  ) -> (top: Int, left: Int, height: Int, width: Int) {
    let area = Double(height * width)
    let logs = ratio.map { log($0) }
    for _ in 0..<10 {
      let targetArea = area * generator.uniform(scale[0], scale[1])
      let aspect = exp(generator.uniform(logs[0], logs[1]))
      let w = Int((targetArea * aspect).squareRoot().rounded(.toNearestOrEven))
      let h = Int((targetArea / aspect).squareRoot().rounded(.toNearestOrEven))
      if (1...width).contains(w) && (1...height).contains(h) {
        return (
          generator.integer(below: height - h + 1), generator.integer(below: width - w + 1), h, w
        )
      }
    }
    let aspect = Double(width) / Double(height)
    var h = height
    var w = width
    if aspect < ratio[0] {
      h = Int((Double(width) / ratio[0]).rounded(.toNearestOrEven))
    } else if aspect > ratio[1] {
      w = Int((Double(height) * ratio[1]).rounded(.toNearestOrEven))
    }
    return ((height - h) / 2, (width - w) / 2, h, w)
  }

  /// Scales with one weight matrix per sample and direction.
  public func apply(_ images: Tensor, parameters: Tensor) throws -> Tensor {
    let shape = images.shape
    let rows = try weights(
      start: parameters.narrow(0, start: 0, length: 1),
      length: parameters.narrow(0, start: 2, length: 1), input: shape[2], output: height)
    let columns = try weights(
      start: parameters.narrow(0, start: 1, length: 1),
      length: parameters.narrow(0, start: 3, length: 1), input: shape[3], output: width)
    return try SeparableMap.apply(images, rows: rows, columns: columns).clamp(min: 0, max: 1)
  }

  /// Pillow's resampling weights.
  /// - Parameters:
  ///   - start: `[1, B]`, first input of the cut-out.
  ///   - length: `[1, B]`, number of inputs of the cut-out.
  ///   - input: inputs of the whole image.
  ///   - output: outputs.
  /// - Returns: `[B, output, input]`; every row sums to 1.
  /// - Throws: `TensorError` when LibTorch refuses the shapes.
  private func weights(
    start: Tensor, length: Tensor, input: Int, output: Int
  ) throws -> Tensor {
    let start = try start.reshape([-1, 1, 1])
    let length = try length.reshape([-1, 1, 1])
    let device = start.device
    let outputs = try SeparableMap.counting(output, device: device).reshape([1, output, 1])
    let inputs = try SeparableMap.counting(input, device: device).reshape([1, 1, input])
    let scale = try length * (1 / Double(output))
    let center = try start + (outputs + 0.5) * scale
    let x = try ((inputs + 0.5 - center) / scale.clamp(min: 1)).abs()
    let raw: Tensor
    switch filter {
    case .bilinear: raw = try (1 - x).clamp(min: 0)
    case .bicubic:
      let near = try (x * 1.5 - 2.5) * x * x + 1
      let far = try ((x * -0.5 + 2.5) * x - 4) * x + 2
      let outer = try far.where(x.lt(2), else: x * 0)
      raw = try near.where(x.lt(1), else: outer)
    }
    let inside = try inputs.ge(start).and(inputs.lt(start + length)).to(.float32)
    let kept = try raw * inside
    return try kept / kept.sum([2], keep: true)
  }

  /// The kernel's form.
  public var fusedStep: FusedStep {
    FusedStep(code: .resample, option: filter == .bicubic ? 1 : 0)
  }
}
