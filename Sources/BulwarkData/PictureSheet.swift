import BulwarkTensor

/// A contact sheet: rows of images side by side, enlarged without smoothing, written as PNG.
public enum PictureSheet {
  /// Puts images into one picture.
  /// - Parameters:
  ///   - rows: each row's images, each `[C, H, W]` (or `[1, C, H, W]`), uint8 or float in 0...1;
  ///     C is 1 or 3. Every cell is as large as the largest image.
  ///   - enlargement: every pixel becomes a square of this side, 1...64.
  ///   - gap: white pixels between images, before enlargement is applied.
  /// - Returns: an RGB picture.
  /// - Throws: `DataError.inconsistent` for another shape, `.imageTooLarge` for a huge sheet.
  public static func compose(
    rows: [[Tensor]], enlargement: Int = 4, gap: Int = 1
  ) throws -> RasterImage {
    guard (1...64).contains(enlargement) else {
      throw DataError.invalidOption(
        name: "enlargement", value: "\(enlargement)", expected: "1...64")
    }
    let images = try rows.map { try $0.map { try RasterImage(planar: $0).converted(channels: 3) } }
    let all = images.flatMap { $0 }
    guard let cellWidth = all.map(\.width).max(), let cellHeight = all.map(\.height).max() else {
      throw DataError.noImages(path: "picture sheet", looked: "no image was given")
    }
    let columns = images.map(\.count).max() ?? 0
    let width = (columns * (cellWidth + gap) - gap) * enlargement
    let height = (images.count * (cellHeight + gap) - gap) * enlargement
    guard width <= ImageCodec.maximumSide, height <= ImageCodec.maximumSide else {
      throw DataError.imageTooLarge(path: "picture sheet", width: width, height: height)
    }
    var pixels = [UInt8](repeating: 255, count: width * height * 3)
    for (row, line) in images.enumerated() {
      for (column, image) in line.enumerated() {
        let left = column * (cellWidth + gap) * enlargement
        let top = row * (cellHeight + gap) * enlargement
        for y in 0..<image.height * enlargement {
          for x in 0..<image.width * enlargement {
            let from = ((y / enlargement) * image.width + x / enlargement) * 3
            let into = ((top + y) * width + left + x) * 3
            for c in 0..<3 { pixels[into + c] = image.pixels[from + c] }
          }
        }
      }
    }
    return RasterImage(width: width, height: height, channels: 3, pixels: pixels)
  }

  /// Composes a sheet and writes it as a PNG file that appears whole or not at all.
  ///
  /// - Parameters:
  ///   - rows: as `compose` takes them.
  ///   - path: the file.
  ///   - enlargement: as `compose` takes it; nil makes the largest image about 128 pixels large, at most
  ///     eightfold.
  ///   - gap: as `compose` takes it.
  /// - Throws: what `compose` throws; `DataError.cannotWrite`.
  public static func write(
    rows: [[Tensor]], to path: String, enlargement: Int? = nil, gap: Int = 1
  ) throws {
    let side = rows.flatMap { $0 }.flatMap { $0.shape.suffix(2) }.max() ?? 1
    let factor = enlargement ?? max(1, min(8, 128 / max(side, 1)))
    try ImageCodec.writePNG(compose(rows: rows, enlargement: factor, gap: gap), to: path)
  }

  /// The difference of two images made visible: 0.5 + factor * (changed - original), clamped.
  /// - Parameters:
  ///   - original: any shape, uint8 or float in 0...1.
  ///   - changed: the same shape and dtype.
  ///   - factor: by how much differences are stretched.
  /// - Returns: the same shape, float32 in 0...1; 0.5 where nothing changed.
  /// - Throws: `TensorError` when the shapes differ.
  public static func difference(
    _ original: Tensor, _ changed: Tensor, factor: Double = 10
  ) throws -> Tensor {
    func unit(_ tensor: Tensor) throws -> Tensor {
      tensor.dtype == .uint8 ? try ImageDataset.unitRange(tensor) : try tensor.to(.float32)
    }
    return try ((unit(changed) - unit(original)) * factor + 0.5).clamp(min: 0, max: 1)
  }
}
