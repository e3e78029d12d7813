import CTurboJPEG

/// libjpeg-turbo behind `ImageCodec`.
enum JPEGCodec {
  /// Reads the frame header.
  static func probe(_ bytes: UnsafeRawBufferPointer, name: String) throws -> ImageHeader {
    try withHandle(tjInitDecompress(), name) { handle in
      var width: Int32 = 0
      var height: Int32 = 0
      var subsampling: Int32 = 0
      var space: Int32 = 0
      let status = tjDecompressHeader3(
        handle, address(bytes), UInt(bytes.count), &width, &height, &subsampling, &space)
      guard status == 0 || hasHarmlessWarning(handle), width > 0, height > 0 else {
        throw DataError.damaged(path: name, reason: message(handle))
      }
      if space == Int32(TJCS_CMYK.rawValue) || space == Int32(TJCS_YCCK.rawValue) {
        throw DataError.unsupported(
          path: name, feature: "CMYK colors", remedy: "Convert the image to RGB.")
      }
      return ImageHeader(
        format: .jpeg, width: Int(width), height: Int(height),
        channels: space == Int32(TJCS_GRAY.rawValue) ? 1 : 3)
    }
  }

  /// Decodes into interleaved pixels with the header's channels.
  static func decode(
    _ bytes: UnsafeRawBufferPointer, header: ImageHeader, name: String
  ) throws -> RasterImage {
    let pixels = try withHandle(tjInitDecompress(), name) { handle in
      let count = header.width * header.height * header.channels
      var status: Int32 = 0
      let pixels = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
        buffer.update(repeating: 0)
        status = tjDecompress2(
          handle, address(bytes), UInt(bytes.count), buffer.baseAddress, Int32(header.width), 0,
          Int32(header.height), pixelFormat(header.channels),
          TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS)
        filled = count
      }
      guard status == 0 || hasHarmlessWarning(handle) else {
        throw DataError.damaged(path: name, reason: message(handle))
      }
      return pixels
    }
    return RasterImage(
      width: header.width, height: header.height, channels: header.channels, pixels: pixels)
  }

  /// Encodes without chroma subsampling.
  static func encode(_ image: RasterImage, quality: Int, name: String) throws -> [UInt8] {
    guard (1...100).contains(quality) else {
      throw DataError.invalidOption(name: "quality", value: "\(quality)", expected: "1...100")
    }
    return try withHandle(tjInitCompress(), name) { handle in
      var target: UnsafeMutablePointer<UInt8>?
      var size: UInt = 0
      defer { tjFree(target) }
      let status = image.pixels.withUnsafeBufferPointer { source in
        tjCompress2(
          handle, source.baseAddress, Int32(image.width), 0, Int32(image.height),
          pixelFormat(image.channels), &target, &size,
          Int32(image.channels == 1 ? TJSAMP_GRAY.rawValue : TJSAMP_444.rawValue),
          Int32(quality), TJFLAG_ACCURATEDCT)
      }
      guard status == 0, let target else {
        throw DataError.cannotWrite(path: name, reason: message(handle))
      }
      return [UInt8](UnsafeBufferPointer(start: target, count: Int(size)))
    }
  }

  private static func pixelFormat(_ channels: Int) -> Int32 {
    Int32(channels == 1 ? TJPF_GRAY.rawValue : TJPF_RGB.rawValue)
  }

  private static func address(_ bytes: UnsafeRawBufferPointer) -> UnsafePointer<UInt8>? {
    bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
  }

  /// Whether the last call failed with nothing but a warning that costs no pixel.
  ///
  /// Cameras write the two named here; every other warning means lost data.
  private static func hasHarmlessWarning(_ handle: tjhandle) -> Bool {
    guard tjGetErrorCode(handle) == Int32(TJERR_WARNING.rawValue) else { return false }
    let reason = message(handle)
    return reason.contains("extraneous bytes") || reason.contains("Invalid SOS parameters")
  }

  private static func message(_ handle: tjhandle) -> String {
    guard let text = tjGetErrorStr2(handle) else { return "libjpeg-turbo gave no reason" }
    return String(cString: text)
  }

  private static func withHandle<Result>(
    _ handle: tjhandle?, _ name: String, _ body: (tjhandle) throws -> Result
  ) throws -> Result {
    guard let handle else {
      throw DataError.unreadable(path: name, reason: "libjpeg-turbo could not start")
    }
    defer { tjDestroy(handle) }
    return try body(handle)
  }
}
