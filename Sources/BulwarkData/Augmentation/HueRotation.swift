import BulwarkTensor

/// Turns the hue of RGB images in HSV space.
///
/// With value V = max, chroma C = max - min and hue H in sixths of the circle, each channel is
/// `V - C * clamp(min(k, 4 - k), 0, 1)` with `k = (n + H) mod 6` and n = 5, 3, 1 for R, G, B: the
/// closed form of the usual case distinction.
enum HueRotation {
  /// - Parameters:
  ///   - images: `[B, 3, H, W]`, float32 in 0...1.
  ///   - turns: `[B, 1, 1, 1]`, share of the color circle, -0.5...0.5.
  /// - Returns: the same shape, in 0...1.
  /// - Throws: `TensorError` when LibTorch refuses the shapes.
  static func apply(_ images: Tensor, turns: Tensor) throws -> Tensor {
    let red = try images.narrow(1, start: 0, length: 1)
    let green = try images.narrow(1, start: 1, length: 1)
    let blue = try images.narrow(1, start: 2, length: 1)
    let value = try images.max([1], keep: true)
    let chroma = try value - images.min([1], keep: true)
    let divisor = try chroma.where(chroma.gt(0), else: chroma * 0 + 1)
    let fromRed = try (green - blue) / divisor
    let fromGreen = try (blue - red) / divisor + 2
    let fromBlue = try (red - green) / divisor + 4
    let sixHue = try fromRed.where(
      value.eq(red), else: fromGreen.where(value.eq(green), else: fromBlue))
    let turned = try sixHue + turns * 6
    let channels = try [5.0, 3.0, 1.0].map { n in
      let k = try (turned + n).remainder(6)
      return try value - chroma * k.minimum(4 - k).clamp(min: 0, max: 1)
    }
    return try Tensor.cat(channels, dim: 1)
  }
}
