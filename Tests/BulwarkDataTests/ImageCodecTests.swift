import Testing

@testable import BulwarkData

@Suite("Images on disk")
struct ImageCodecTests {
  @Test("PNG keeps every pixel, gray and RGB", arguments: [1, 3])
  func pngIsLossless(channels: Int) throws {
    let scratch = try Scratch()
    let image = picture(13, 7, channels: channels)
    let path = scratch.path + "/some image.png"
    try ImageCodec.writePNG(image, to: path)
    #expect(try ImageCodec.decode(path: path) == image)
    let header = try ImageCodec.probe(path: path)
    #expect(header.format == .png && header.width == 13 && header.height == 7)
    #expect(header.channels == channels)
  }

  @Test("JPEG comes back within its own loss", arguments: [1, 3])
  func jpegIsClose(channels: Int) throws {
    let image = picture(16, 12, channels: channels)
    let bytes = try ImageCodec.encodeJPEG(image, quality: 100)
    let back = try bytes.withUnsafeBytes { try ImageCodec.decode($0, name: "x.jpg") }
    #expect(back.width == 16 && back.height == 12 && back.channels == channels)
    let worst = zip(image.pixels, back.pixels).map { abs(Int($0) - Int($1)) }.max()
    #expect((worst ?? 255) <= 6)
  }

  @Test(
    "Stray bytes before a marker of the header cost no pixel, and neither probe nor decoder minds")
  func strayBytes() throws {
    let bytes = try ImageCodec.encodeJPEG(picture(16, 12))
    let table = try #require(
      bytes.indices.dropLast().first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xDB })
    let padded: [UInt8] = Array(bytes[..<table]) + [0, 0, 0] + Array(bytes[table...])
    let plain = try bytes.withUnsafeBytes { try ImageCodec.decode($0, name: "plain.jpg") }
    let header = try padded.withUnsafeBytes { try ImageCodec.probe($0, name: "padded.jpg") }
    let image = try padded.withUnsafeBytes { try ImageCodec.decode($0, name: "padded.jpg") }
    #expect(header.width == 16 && header.height == 12 && header.channels == 3)
    #expect(image == plain)
  }

  @Test("The format is told by content, not by name")
  func contentDecides() throws {
    let scratch = try Scratch()
    let path = try scratch.write(ImageCodec.encodePNG(picture()), "really a png.jpg")
    #expect(try ImageCodec.decode(path: path) == picture())
  }

  @Test("Color turns gray with Pillow's rounding and gray turns color by repetition")
  func channels() {
    let red = RasterImage(width: 1, height: 1, channels: 3, pixels: [255, 0, 0])
    #expect(red.converted(channels: 1).pixels == [76])
    let gray = RasterImage(width: 1, height: 1, channels: 1, pixels: [9])
    #expect(gray.converted(channels: 3).pixels == [9, 9, 9])
  }

  @Test("A truncated JPEG is damaged, at every length")
  func truncatedJPEG() throws {
    let bytes = try ImageCodec.encodeJPEG(picture(32, 32), quality: 90)
    for length in stride(from: 3, to: bytes.count - 2, by: 37) {
      let error = dataError {
        _ = try Array(bytes.prefix(length)).withUnsafeBytes {
          try ImageCodec.decode($0, name: "cut.jpg")
        }
      }
      guard case .damaged("cut.jpg", _) = error else {
        Issue.record("\(length) of \(bytes.count) bytes gave \(String(describing: error))")
        return
      }
    }
  }

  @Test("A truncated PNG is damaged, at every length")
  func truncatedPNG() throws {
    let bytes = try ImageCodec.encodePNG(picture(32, 32))
    for length in stride(from: 8, to: bytes.count - 20, by: 7) {
      let error = dataError {
        _ = try Array(bytes.prefix(length)).withUnsafeBytes {
          try ImageCodec.decode($0, name: "cut.png")
        }
      }
      guard case .damaged("cut.png", _) = error else {
        Issue.record("\(length) of \(bytes.count) bytes gave \(String(describing: error))")
        return
      }
    }
  }

  @Test("Flipped bytes never crash the decoders")
  func flippedBytes() throws {
    for original in [
      try ImageCodec.encodePNG(picture(16, 16)), try ImageCodec.encodeJPEG(picture(16, 16)),
    ] {
      for position in stride(from: 0, to: original.count, by: 3) {
        var bytes = original
        bytes[position] ^= 0x5A
        _ = dataError {
          _ = try bytes.withUnsafeBytes { try ImageCodec.decode($0, name: "flipped") }
        }
      }
    }
  }

  @Test("An image of 40,000 pixels a side is refused from its header alone")
  func huge() throws {
    var bytes = try ImageCodec.encodePNG(picture())
    bytes.replaceSubrange(16..<24, with: [0, 0, 0x9C, 0x40, 0, 0, 0x9C, 0x40])
    let error = dataError {
      _ = try bytes.withUnsafeBytes { try ImageCodec.decode($0, name: "bomb.png") }
    }
    #expect(error == .imageTooLarge(path: "bomb.png", width: 40_000, height: 40_000))
    #expect(error?.summary.contains("bomb.png") == true)
  }

  @Test("A JPEG header of 40,000 pixels a side is refused too")
  func hugeJPEG() throws {
    var bytes = try ImageCodec.encodeJPEG(picture())
    let frame = try #require(
      bytes.indices.dropLast().first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 })
    bytes.replaceSubrange(frame + 5..<frame + 9, with: [0x9C, 0x40, 0x9C, 0x40])
    let error = dataError {
      _ = try bytes.withUnsafeBytes { try ImageCodec.probe($0, name: "bomb.jpg") }
    }
    #expect(error == .imageTooLarge(path: "bomb.jpg", width: 40_000, height: 40_000))
  }

  @Test("Wrong first bytes say what was expected and found")
  func magic() {
    let error = dataError {
      _ = try Array("GIF89a..".utf8).withUnsafeBytes { try ImageCodec.probe($0, name: "a.png") }
    }
    #expect(error?.summary.contains("47 49 46 38") == true)
    #expect(error?.summary.contains("JPEG (FF D8 FF) or PNG") == true)
  }

  @Test("A missing file and an empty file are told apart")
  func missingOrEmpty() throws {
    let scratch = try Scratch()
    let missing = scratch.path + "/none.png"
    #expect(dataError { _ = try ImageCodec.decode(path: missing) } == .missing(path: missing))
    let empty = try scratch.write([], "empty.png")
    #expect(
      dataError { _ = try ImageCodec.decode(path: empty) }?.summary.contains("an empty file")
        == true)
  }

  @Test("Resizing equals Pillow's to the bit")
  func resize() throws {
    struct Case: Decodable {
      let width: Int
      let height: Int
      let pixels: [UInt8]
    }
    let source = picture(23, 17)
    for expected in try fixture("resize", as: [Case].self) {
      let made = ImageResizer.resize(source, width: expected.width, height: expected.height)
      #expect(made.pixels == expected.pixels, "to \(expected.width) x \(expected.height)")
    }
  }
}
