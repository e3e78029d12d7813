/// Brings images to another size: bilinear with antialiasing, as Pillow's `Image.resize`.
///
/// The triangle filter is widened by the scale when shrinking. Both passes work in fixed point and
/// round to 8 bits, so results equal Pillow's `Image.BILINEAR` to the bit.
public enum ImageResizer {
  /// The shorter side is scaled to `side`, the longer one in proportion (rounded down), and the
  /// middle `side * side` is kept (torchvision's `Resize(side)` and `CenterCrop(side)`).
  public static func centerSquare(_ image: RasterImage, side: Int) -> RasterImage {
    if image.width == side && image.height == side { return image }
    let short = min(image.width, image.height)
    let long = side * max(image.width, image.height) / short
    let wide = image.width >= image.height
    let scaled = resize(image, width: wide ? long : side, height: wide ? side : long)
    let left = Int((Double(scaled.width - side) / 2).rounded(.toNearestOrEven))
    let top = Int((Double(scaled.height - side) / 2).rounded(.toNearestOrEven))
    return crop(scaled, left: left, top: top, width: side, height: side)
  }

  /// Scales to exactly `width * height` pixels.
  /// - Precondition: `width` and `height` are at least 1.
  public static func resize(_ image: RasterImage, width: Int, height: Int) -> RasterImage {
    precondition(width >= 1 && height >= 1, "an image has at least one pixel")
    let c = image.channels
    var pixels = image.pixels
    if width != image.width {
      // Rows of pixels: taps lie c apart, lines width * c apart.
      pixels = pass(
        pixels, Taps(from: image.width, to: width), lines: image.height, elements: c,
        tapStride: c, lineStride: image.width * c)
    }
    if height != image.height {
      // One line of width * c elements; taps lie one row apart.
      pixels = pass(
        pixels, Taps(from: image.height, to: height), lines: 1, elements: width * c,
        tapStride: width * c, lineStride: 0)
    }
    return RasterImage(width: width, height: height, channels: c, pixels: pixels)
  }

  /// The rectangle of an image.
  private static func crop(
    _ image: RasterImage, left: Int, top: Int, width: Int, height: Int
  ) -> RasterImage {
    if width == image.width && height == image.height { return image }
    var pixels: [UInt8] = []
    pixels.reserveCapacity(width * height * image.channels)
    for y in top..<top + height {
      let start = (y * image.width + left) * image.channels
      pixels += image.pixels[start..<start + width * image.channels]
    }
    return RasterImage(width: width, height: height, channels: image.channels, pixels: pixels)
  }

  /// For every output position, the input positions it is made of and their weights.
  private struct Taps {
    static let precision: Int32 = 22
    var starts: [Int] = []
    var weights: [[Int32]] = []

    init(from input: Int, to output: Int) {
      let scale = Double(input) / Double(output)
      let support = max(scale, 1)
      for position in 0..<output {
        let center = (Double(position) + 0.5) * scale
        let first = max(0, Int(center - support + 0.5))
        let last = min(input, Int(center + support + 0.5))
        let raw = (first..<last).map {
          max(0, 1 - abs((Double($0) - center + 0.5) / support))
        }
        let sum = raw.reduce(0, +)
        let one = Double(1 << Self.precision)
        starts.append(first)
        weights.append(raw.map { Int32((sum == 0 ? $0 : $0 / sum) * one + 0.5) })
      }
    }
  }

  /// One direction of the resize. Output order: line, output position, element.
  private static func pass(
    _ input: [UInt8], _ taps: Taps, lines: Int, elements: Int, tapStride: Int, lineStride: Int
  ) -> [UInt8] {
    let outputs = taps.starts.count
    let half = Int32(1) << (Taps.precision - 1)
    let total = lines * outputs * elements
    return [UInt8](unsafeUninitializedCapacity: total) { target, filled in
      input.withUnsafeBufferPointer { source in
        var place = 0
        for line in 0..<lines {
          for output in 0..<outputs {
            let start = line * lineStride + taps.starts[output] * tapStride
            taps.weights[output].withUnsafeBufferPointer { weights in
              for element in 0..<elements {
                var sum = half
                var at = start + element
                for weight in weights {
                  sum &+= Int32(source[at]) &* weight
                  at += tapStride
                }
                target[place] = UInt8(clamping: sum >> Taps.precision)
                place += 1
              }
            }
          }
        }
      }
      filled = total
    }
  }
}
