/// One 8-bit image in memory, channels interleaved, rows from top to bottom.
public struct RasterImage: Sendable, Hashable {
  /// Pixels per row.
  public let width: Int
  /// Number of rows.
  public let height: Int
  /// 1 (gray) or 3 (red, green, blue; sRGB as stored).
  public let channels: Int
  /// `height * width * channels` values in 0...255, index `(y * width + x) * channels + c`.
  public private(set) var pixels: [UInt8]

  /// Wraps pixels.
  /// - Precondition: `pixels.count == width * height * channels`, channels 1 or 3.
  public init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
    precondition(channels == 1 || channels == 3, "an image has 1 or 3 channels")
    precondition(pixels.count == width * height * channels, "pixel count does not fit the size")
    self.width = width
    self.height = height
    self.channels = channels
    self.pixels = pixels
  }

  /// The same picture with 1 or 3 channels.
  ///
  /// Gray to color repeats the value. Color to gray is ITU-R 601: (0.299 R + 0.587 G + 0.114 B)
  /// in 16-bit fixed point, rounded, as Pillow's mode "L" does.
  public func converted(channels wanted: Int) -> RasterImage {
    precondition(wanted == 1 || wanted == 3, "an image has 1 or 3 channels")
    if wanted == channels { return self }
    let count = width * height
    let converted = [UInt8](unsafeUninitializedCapacity: count * wanted) { target, filled in
      pixels.withUnsafeBufferPointer { source in
        for i in 0..<count {
          if wanted == 3 {
            for c in 0..<3 { target[3 * i + c] = source[i] }
          } else {
            let red = Int(source[3 * i]) * 19595
            let green = Int(source[3 * i + 1]) * 38470
            let blue = Int(source[3 * i + 2]) * 7471
            target[i] = UInt8((red + green + blue + 0x8000) >> 16)
          }
        }
      }
      filled = count * wanted
    }
    return RasterImage(width: width, height: height, channels: wanted, pixels: converted)
  }

  /// Writes the pixels channel by channel (`[C, H, W]`) into `target`.
  /// - Precondition: `target` holds `height * width * channels` bytes.
  func copyPlanar(to target: UnsafeMutableRawBufferPointer) {
    precondition(target.count == pixels.count, "the target does not fit the image")
    let count = width * height
    pixels.withUnsafeBufferPointer { source in
      if channels == 1 {
        target.copyMemory(from: UnsafeRawBufferPointer(source))
        return
      }
      guard let from = source.baseAddress,
        let into = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
      else { return }
      for i in 0..<count {
        into[i] = from[3 * i]
        into[count + i] = from[3 * i + 1]
        into[2 * count + i] = from[3 * i + 2]
      }
    }
  }
}
