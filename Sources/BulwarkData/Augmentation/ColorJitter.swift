import BulwarkTensor

/// Changes brightness, contrast, saturation and hue by random amounts in a random order.
///
/// torchvision's `ColorJitter` within `RandomApply(p)`: amounts and the order of the four
/// operations are drawn per sample. Each operation clamps to 0...1. With gray `g` = 0.299 R +
/// 0.587 G + 0.114 B (torchvision writes 0.2989):
/// brightness `f x`; contrast `f x + (1 - f) mean(g)`; saturation `f x + (1 - f) g`; hue turns the
/// HSV hue by a share of the circle. Gray images keep saturation and hue. Parameters per sample:
/// four operations in order (0 brightness, 1 contrast, 2 saturation, 3 hue, -1 none), then the
/// amounts of brightness, contrast, saturation and hue.
public struct ColorJitter: Augmentation {
  /// Brightness factor is uniform in `max(0, 1 - brightness)...1 + brightness`.
  public let brightness: Double
  /// Contrast factor, likewise.
  public let contrast: Double
  /// Saturation factor, likewise.
  public let saturation: Double
  /// Hue turn is uniform in `-hue...hue`, 0...0.5 of the color circle.
  public let hue: Double
  /// Share of samples that are changed, 0...1.
  public let probability: Double

  /// Makes the augmentation; the defaults are the official DBD configuration's.
  public init(
    brightness: Double = 0.4, contrast: Double = 0.4, saturation: Double = 0.4, hue: Double = 0.1,
    probability: Double = 0.8
  ) {
    self.brightness = brightness
    self.contrast = contrast
    self.saturation = saturation
    self.hue = hue
    self.probability = probability
    requireSound()
  }

  /// Negative or infinite strengths, a hue outside 0...0.5, a probability outside 0...1.
  public var problem: String? {
    for strength in [brightness, contrast, saturation] where !(0...1000).contains(strength) {
      return "a strength of \(strength)"
    }
    if !(0...0.5).contains(hue) { return "a hue of \(hue)" }
    return (0...1).contains(probability) ? nil : "a probability of \(probability)"
  }

  /// Four operations and four amounts.
  public var parameterCount: Int { 8 }

  /// Draws whether, in which order and by how much; operations of strength 0 are left out.
  public func draw(
    count: Int, height: Int, width: Int, generator: inout KeyedGenerator,
    into target: inout ArraySlice<Float>
  ) {
    let start = target.startIndex
    let strengths = [brightness, contrast, saturation, hue]
    for sample in 0..<count {
      let changed = generator.uniform() < probability
      var order = [0, 1, 2, 3]
      for last in stride(from: 3, to: 0, by: -1) {
        order.swapAt(last, generator.integer(below: last + 1))
      }
      for slot in 0..<4 {
        let used = changed && strengths[order[slot]] > 0
        target[start + slot * count + sample] = used ? Float(order[slot]) : -1
      }
      for (operation, strength) in strengths.enumerated() {
        let center = operation == 3 ? 0.0 : 1.0
        let low = operation == 3 ? -strength : max(0, center - strength)
        target[start + (4 + operation) * count + sample] = Float(
          generator.uniform(low, center + strength))
      }
    }
  }

  /// Four rounds; in each, every sample gets the operation of its own order.
  public func apply(_ images: Tensor, parameters: Tensor) throws -> Tensor {
    let color = images.shape[1] == 3
    var current = images
    for slot in 0..<4 {
      let operation = try row(slot, of: parameters)
      let gray = try Grayscale.luma(current)
      let mean = try gray.mean([1, 2, 3], keep: true)
      // One blend for three operations: f x + (1 - f) base.
      let isContrast = try operation.eq(1).to(.float32)
      let isSaturation = try operation.eq(2).to(.float32)
      let factor = try row(4, of: parameters).where(
        operation.eq(0),
        else: row(5, of: parameters).where(operation.eq(1), else: row(6, of: parameters)))
      let base = try mean * isContrast + gray * isSaturation
      let blended = try (current * factor + base * (1 - factor)).clamp(min: 0, max: 1)
      let blends = try operation.ge(0).and(operation.lt(color ? 3 : 2))
      var next = try blended.where(blends, else: current)
      if color {
        let turned = try HueRotation.apply(current, turns: row(7, of: parameters))
        next = try turned.where(operation.eq(3), else: next)
      }
      current = next
    }
    return current
  }

  /// The kernel's form.
  public var fusedStep: FusedStep { FusedStep(code: .jitter) }
}
