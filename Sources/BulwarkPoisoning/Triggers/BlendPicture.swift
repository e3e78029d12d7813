import BulwarkData
import BulwarkTensor

/// The picture that the Blended attack mixes into images.
public enum BlendPicture: Hashable, Sendable {
  /// Bulwark's own picture, drawn by `drawFlower`.
  case builtIn
  /// Any picture, with the name it is shown under.
  case image(RasterImage, name: String)

  /// A picture from a PNG or JPEG file.
  /// - Throws: `DataError` naming the file.
  public init(path: String) throws {
    self = .image(
      try ImageCodec.decode(path: path),
      name: path.split(separator: "/").last.map(String.init) ?? path)
  }

  /// The picture at its own size.
  public var raster: RasterImage {
    switch self {
    case .builtIn: BlendPicture.drawFlower()
    case .image(let raster, _): raster
    }
  }

  /// The picture at the size of the images, whole numbers in 0...255.
  ///
  /// Resized with an antialiased bicubic filter (a = −0.5) and rounded, as Pillow's default
  /// `Image.resize`, within one gray level; aspect is not kept, as in the official code.
  /// - Returns: `[1, C, H, W]`, float32.
  /// - Throws: `TensorError`.
  public func values(for form: ImageForm) throws -> Tensor {
    let source = raster.converted(channels: form.channels)
    let interleaved = try Tensor(
      source.pixels, shape: [1, source.height, source.width, source.channels])
    let planar = try interleaved.permute([0, 3, 1, 2]).contiguous().to(.float32)
    guard source.height != form.height || source.width != form.width else { return planar }
    let resized = try planar.interpolate(
      height: form.height, width: form.width, mode: .bicubic, antialias: true)
    return try resized.round().clamp(min: 0, max: 255)
  }

  /// A flower on pink, 128×128 RGB, mean about 213/191/199: as bright and as rich in edges as the
  /// picture of the official code, which is third-party art and cannot be shipped.
  ///
  /// Drawn with additions, multiplications and divisions alone, so the bytes are the same on every
  /// machine. Coordinates run over 0...1, x to the right, y down.
  public static func drawFlower() -> RasterImage {
    let side = 128
    let dark = [62.0, 30, 56]
    let white = [255.0, 252, 250]
    var shapes: [Ellipse] = []
    for (x, y) in [(0.5, 0.22), (0.5, 0.74), (0.24, 0.48), (0.76, 0.48)] {
      shapes.append(Ellipse(x, y, 0.2, 0.2, white))
      shapes.append(Ellipse(x, y, 0.2, 0.2, dark, hole: 0.76))
    }
    shapes += [
      Ellipse(0.5, 0.48, 0.15, 0.15, [250, 196, 110]),
      Ellipse(0.5, 0.48, 0.07, 0.07, [214, 50, 70]),
      Ellipse(0.1, 0.1, 0.12, 0.12, [214, 44, 70]),
      Ellipse(0.9, 0.1, 0.12, 0.12, [120, 176, 236]),
      Ellipse(0.1, 0.9, 0.2, 0.1, [128, 182, 168]),
      Ellipse(0.88, 0.9, 0.22, 0.1, [128, 182, 168]),
      Ellipse(0.9, 0.62, 0.05, 0.05, dark),
      Ellipse(0.1, 0.66, 0.05, 0.05, dark),
    ]
    var pixels: [UInt8] = []
    pixels.reserveCapacity(side * side * 3)
    for row in 0..<side {
      let y = Double(2 * row + 1) / Double(2 * side)
      for column in 0..<side {
        let x = Double(2 * column + 1) / Double(2 * side)
        var color = [252, 210 - 14 * y, 237 - 10 * y]
        for shape in shapes {
          let share = shape.coverage(x, y)
          for c in 0..<3 { color[c] += (shape.color[c] - color[c]) * share }
        }
        pixels += color.map { UInt8(min(255, max(0, ($0 + 0.5).rounded(.down)))) }
      }
    }
    return RasterImage(width: side, height: side, channels: 3, pixels: pixels)
  }

  /// A filled ellipse, or a ring, with a soft edge.
  private struct Ellipse {
    let x, y, radiusX, radiusY, hole: Double
    let color: [Double]

    init(
      _ x: Double, _ y: Double, _ radiusX: Double, _ radiusY: Double, _ color: [Double],
      hole: Double = 0
    ) {
      self.x = x
      self.y = y
      self.radiusX = radiusX
      self.radiusY = radiusY
      self.hole = hole
      self.color = color
    }

    /// How much of the point belongs to the shape, 0...1. `hole` is a squared relative radius.
    func coverage(_ px: Double, _ py: Double) -> Double {
      let dx = (px - x) / radiusX
      let dy = (py - y) / radiusY
      let distance = dx * dx + dy * dy
      let outer = smooth((1 - distance) / 0.08 + 0.5)
      return hole > 0 ? outer * smooth((distance - hole) / 0.08 + 0.5) : outer
    }

    private func smooth(_ value: Double) -> Double {
      let t = min(1, max(0, value))
      return t * t * (3 - 2 * t)
    }
  }
}
