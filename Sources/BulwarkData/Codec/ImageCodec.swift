/// What the header of an image file says.
public struct ImageHeader: Sendable, Hashable {
  /// File formats that can be read.
  public enum Format: String, Sendable { case jpeg, png }
  /// The format, told by the file's first bytes (never by its name).
  public let format: Format
  /// Pixels per row.
  public let width: Int
  /// Number of rows.
  public let height: Int
  /// Channels that decoding gives: 1 for gray files, 3 for all others.
  public let channels: Int
}

/// Reads JPEG and PNG, writes PNG and JPEG, through libjpeg-turbo and libpng.
///
/// - Orientation tags and color profiles are not applied, as in Pillow and torchvision.
/// - PNG: palettes are expanded, 16-bit values are scaled to 8 bits, alpha is dropped (Pillow's
///   `convert("RGB")`); a `gAMA` chunk is honored by libpng.
/// - JPEG: accurate integer DCT and smooth chroma upsampling, Pillow's settings. CMYK is refused.
public enum ImageCodec {
  /// Longest side that is read, in pixels.
  public static let maximumSide = 16_384
  /// Most pixels that are read.
  public static let maximumPixels = 1 << 26

  /// The size and channels of an image file; decodes no pixel.
  /// - Throws: `DataError` naming the file: missing, wrong format, damaged header or too large.
  public static func probe(path: String) throws -> ImageHeader {
    let start = try FileBytes.read(path, limit: 1 << 16)
    do {
      return try start.withUnsafeBytes { try probe($0, name: path) }
    } catch DataError.damaged where start.count == 1 << 16 {
      // A long preview or color profile may stand before the frame header.
      return try FileBytes.read(path).withUnsafeBytes { try probe($0, name: path) }
    }
  }

  /// The size and channels of an image in memory; decodes no pixel.
  /// - Parameters:
  ///   - bytes: the start of the file, or all of it.
  ///   - name: the file name for error messages.
  /// - Returns: format, size and channels.
  /// - Throws: `DataError` naming the file: wrong format, damaged header or too large.
  public static func probe(_ bytes: UnsafeRawBufferPointer, name: String) throws -> ImageHeader {
    let header: ImageHeader
    switch try format(of: bytes, name: name) {
    case .jpeg: header = try JPEGCodec.probe(bytes, name: name)
    case .png: header = try PNGCodec.probe(bytes, name: name)
    }
    guard header.width <= maximumSide, header.height <= maximumSide,
      header.width * header.height <= maximumPixels
    else {
      throw DataError.imageTooLarge(path: name, width: header.width, height: header.height)
    }
    return header
  }

  /// Reads one image file.
  /// - Parameters:
  ///   - path: the file.
  ///   - channels: 1 or 3 converts; nil keeps what the file has.
  /// - Returns: the pixels, 8 bits.
  /// - Throws: `DataError` naming the file.
  public static func decode(path: String, channels: Int? = nil) throws -> RasterImage {
    try FileBytes.read(path).withUnsafeBytes { try decode($0, name: path, channels: channels) }
  }

  /// Decodes one image in memory.
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - name: the file name for error messages.
  ///   - channels: 1 or 3 converts; nil keeps what the file has.
  /// - Returns: the pixels, 8 bits.
  /// - Throws: `DataError` naming the file.
  public static func decode(
    _ bytes: UnsafeRawBufferPointer, name: String, channels: Int? = nil
  ) throws -> RasterImage {
    let header = try probe(bytes, name: name)
    let image: RasterImage
    switch header.format {
    case .jpeg: image = try JPEGCodec.decode(bytes, header: header, name: name)
    case .png: image = try PNGCodec.decode(bytes, header: header, name: name)
    }
    guard let channels else { return image }
    return image.converted(channels: channels)
  }

  /// Encodes an image as PNG (lossless, 8 bits).
  /// - Throws: `DataError.cannotWrite` naming `name`.
  public static func encodePNG(_ image: RasterImage, name: String = "image") throws -> [UInt8] {
    try PNGCodec.encode(image, name: name)
  }

  /// Encodes an image as baseline JPEG without chroma subsampling.
  /// - Parameters:
  ///   - image: gray or RGB.
  ///   - quality: 1...100.
  ///   - name: the file name for error messages.
  /// - Returns: the bytes of a JPEG file.
  /// - Throws: `DataError.cannotWrite` naming `name`.
  public static func encodeJPEG(
    _ image: RasterImage, quality: Int = 95, name: String = "image"
  ) throws -> [UInt8] {
    try JPEGCodec.encode(image, quality: quality, name: name)
  }

  /// Writes an image as a PNG file that appears whole or not at all.
  /// - Throws: `DataError.cannotWrite` naming the file.
  public static func writePNG(_ image: RasterImage, to path: String) throws {
    try FileBytes.write(try encodePNG(image, name: path), to: path)
  }

  private static func format(
    of bytes: UnsafeRawBufferPointer, name: String
  ) throws -> ImageHeader.Format {
    if bytes.starts(with: [0xFF, 0xD8, 0xFF]) { return .jpeg }
    if bytes.starts(with: PNGCodec.signature) { return .png }
    let found = bytes.isEmpty ? "an empty file" : "the bytes \(hexadecimal(bytes.prefix(8)))"
    throw DataError.wrongFormat(
      path: name, expected: "a JPEG (FF D8 FF) or PNG (89 50 4E 47) image", found: found)
  }

  /// Bytes as hexadecimal pairs for error messages.
  static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }
      .joined(separator: " ")
  }
}
