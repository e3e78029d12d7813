import CPNG

/// libpng's simplified API behind `ImageCodec`.
enum PNGCodec {
  /// The first eight bytes of every PNG file.
  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  /// Reads the IHDR chunk.
  static func probe(_ bytes: UnsafeRawBufferPointer, name: String) throws -> ImageHeader {
    guard bytes.count >= 33, bytes[12..<16].elementsEqual("IHDR".utf8) else {
      throw DataError.damaged(path: name, reason: "the PNG header (IHDR) is missing or cut off")
    }
    func number(at start: Int) -> Int {
      bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
    }
    let width = number(at: 16)
    let height = number(at: 20)
    guard width > 0, height > 0 else {
      throw DataError.damaged(path: name, reason: "the size is \(width) x \(height)")
    }
    // Color type: 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha.
    let gray = bytes[25] == 0 || bytes[25] == 4
    return ImageHeader(format: .png, width: width, height: height, channels: gray ? 1 : 3)
  }

  /// Decodes into interleaved pixels with the header's channels; alpha is dropped.
  static func decode(
    _ bytes: UnsafeRawBufferPointer, header: ImageHeader, name: String
  ) throws -> RasterImage {
    var image = png_image()
    image.version = UInt32(PNG_IMAGE_VERSION)
    defer { png_image_free(&image) }
    guard png_image_begin_read_from_memory(&image, bytes.baseAddress, bytes.count) != 0 else {
      throw DataError.damaged(path: name, reason: message(image))
    }
    guard Int(image.width) == header.width, Int(image.height) == header.height else {
      throw DataError.damaged(path: name, reason: "the header contradicts itself")
    }
    // Without this flag libpng takes 16-bit files for linear light.
    image.flags |= UInt32(PNG_IMAGE_FLAG_16BIT_sRGB)
    let color = header.channels == 3
    // Reading alpha along keeps libpng from compositing; it is dropped below.
    let alpha = image.format & UInt32(PNG_FORMAT_FLAG_ALPHA) != 0
    image.format =
      (color ? UInt32(PNG_FORMAT_FLAG_COLOR) : 0) | (alpha ? UInt32(PNG_FORMAT_FLAG_ALPHA) : 0)
    let stored = header.channels + (alpha ? 1 : 0)
    let count = header.width * header.height
    var status: Int32 = 0
    var pixels = [UInt8](unsafeUninitializedCapacity: count * stored) { buffer, filled in
      buffer.update(repeating: 0)
      status = png_image_finish_read(&image, nil, buffer.baseAddress, 0, nil)
      filled = count * stored
    }
    guard status != 0 else {
      throw DataError.damaged(path: name, reason: message(image))
    }
    if alpha {
      for i in 0..<count {
        for c in 0..<header.channels { pixels[i * header.channels + c] = pixels[i * stored + c] }
      }
      pixels.removeLast(count)
    }
    return RasterImage(
      width: header.width, height: header.height, channels: header.channels, pixels: pixels)
  }

  /// Encodes 8-bit gray or RGB.
  static func encode(_ raster: RasterImage, name: String) throws -> [UInt8] {
    var image = png_image()
    image.version = UInt32(PNG_IMAGE_VERSION)
    image.width = UInt32(raster.width)
    image.height = UInt32(raster.height)
    image.format = raster.channels == 3 ? UInt32(PNG_FORMAT_FLAG_COLOR) : 0
    defer { png_image_free(&image) }
    return try raster.pixels.withUnsafeBytes { source in
      var size = 0
      guard png_image_write_to_memory(&image, nil, &size, 0, source.baseAddress, 0, nil) != 0 else {
        throw DataError.cannotWrite(path: name, reason: message(image))
      }
      var status: Int32 = 0
      let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
        status = png_image_write_to_memory(
          &image, buffer.baseAddress, &size, 0, source.baseAddress, 0, nil)
        filled = status == 0 ? 0 : size
      }
      guard status != 0 else { throw DataError.cannotWrite(path: name, reason: message(image)) }
      return bytes
    }
  }

  private static func message(_ image: png_image) -> String {
    let text = withUnsafeBytes(of: image.message) { raw in
      String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
    }
    return text.isEmpty ? "libpng gave no reason" : text
  }
}
