import BulwarkTensor

/// The four-corner pattern of the label-consistent attack (Turner et al. 2018; the pattern is that of
/// `MadryLab/label-consistent-backdoor-code`): 3×3 pixels in every corner, added and clipped.
///
/// It is symmetric under left-right flips, so augmentation leaves it intact. For images whose
/// shorter side is n·32 pixels every pixel becomes a square of side n.
public struct CornerTrigger: Hashable, Sendable, Codable {
  /// What is added to (or subtracted from) the marked pixels, as a share of 255; 0...1. At 1 the
  /// result is black or white whatever was there; 32/255 is the authors' low-visibility example.
  public var amplitude: Double

  /// The pattern with this amplitude.
  public init(amplitude: Double = 1) { self.amplitude = amplitude }

  /// Signs of the 3×3 block in the upper left and lower left corner, rows from the top. The right
  /// corners are their mirror images.
  static let leftBlock = [[1, -1, -1], [-1, 1, -1], [1, -1, 1]]

  func validate() throws {
    try require((0...1).contains(amplitude), "amplitude", amplitude, "0...1")
  }

  /// The trigger for images of one form.
  /// - Throws: `PoisonError.triggerTooLarge` when the corners would overlap.
  public func prepared(for form: ImageForm) throws -> any Trigger {
    let factor = max(1, min(form.height, form.width) / 32)
    guard form.height >= 6 * factor, form.width >= 6 * factor else {
      throw PoisonError.triggerTooLarge(
        trigger: "four corners", size: [6, 6], image: [form.height, form.width])
    }
    var shift = [Float](repeating: 0, count: form.height * form.width)
    for y in 0..<3 * factor {
      for x in 0..<3 * factor {
        let sign = Self.leftBlock[y / factor][x / factor]
        let value = Float(Double(sign) * amplitude * 255)
        for row in [y, form.height - 3 * factor + y] {
          shift[row * form.width + x] = value
          shift[row * form.width + form.width - 1 - x] = value
        }
      }
    }
    return Addition(pattern: try Tensor(shift, shape: [1, 1, form.height, form.width]))
  }
}

/// x' = x + pattern, clipped to 0...255 and truncated to 8 bits.
struct Addition: Trigger {
  /// [1, 1, H, W], float32, in gray levels.
  let pattern: Tensor

  func apply(to images: Tensor) throws -> Tensor {
    try (images.to(.float32) + pattern).clamp(min: 0, max: 255).to(.uint8)
  }
}
