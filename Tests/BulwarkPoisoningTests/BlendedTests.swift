import BulwarkData
import BulwarkTensor
import Testing

@testable import BulwarkPoisoning

@Suite struct BlendedTests {
  func blend(_ alpha: Double, _ images: Tensor, _ picture: BlendPicture = .builtIn) throws -> Tensor
  {
    try BlendedAttack(alpha: alpha, picture: picture)
      .prepared(for: ImageForm(of: images), phase: .training).apply(to: images)
  }

  /// Values of Pillow 11's `Image.blend`.
  @Test(
    arguments: [
      (0.1, [25, 229, 101, 36, 181, 35, 90, 254]), (0.2, [51, 204, 102, 36, 162, 58, 90, 254]),
      (0.37, [94, 160, 103, 36, 129, 96, 90, 254]), (1.0, [255, 0, 110, 36, 10, 240, 90, 254]),
    ] as [(Double, [Int])])
  func resultsEqualPillowToTheBit(_ alpha: Double, _ expected: [Int]) throws {
    let images = try Tensor([0, 255, 100, 37, 200, 13, 90, 255] as [UInt8], shape: [1, 1, 1, 8])
    let picture = RasterImage(
      width: 8, height: 1, channels: 1, pixels: [255, 0, 110, 36, 10, 240, 90, 254])
    #expect(try blend(alpha, images, .image(picture, name: "t")).integers() == expected)
  }

  @Test func alphaZeroChangesNothing() throws {
    let images = try makeDataset().images
    #expect(try changedRows(images, blend(0, images)).isEmpty)
    #expect(try changedRows(images, blend(0.1, images)).count == images.shape[0])
  }

  /// Values of Pillow 11's `Image.resize((w, h), BICUBIC)`; one gray level is its rounding between
  /// the two passes.
  @Test func picturesAreResizedAsPillowDoes() throws {
    let pixels = (0..<7).flatMap { row in (0..<5).map { UInt8((row * 37 + $0 * 61) % 256) } }
    let picture = BlendPicture.image(
      RasterImage(width: 5, height: 7, channels: 1, pixels: pixels), name: "ramp")
    let down = try picture.values(for: ImageForm(channels: 1, height: 4, width: 4))
    let expected: [Float] = [
      23, 98, 181, 158, 85, 177, 114, 45, 165, 167, 62, 120, 195, 96, 101, 187,
    ]
    let found = try down.floats()
    for (a, b) in zip(found, expected) { #expect(abs(a - b) <= 1) }
    #expect(found.allSatisfy { $0 == $0.rounded() })
    let up = try picture.values(for: ImageForm(channels: 1, height: 9, width: 6))
    let firstRow: [Float] = [0, 41, 95, 145, 202, 255]
    for (a, b) in zip(try up.floats(), firstRow) { #expect(abs(a - b) <= 1) }
  }

  @Test func ownPictureIsAsBrightAsTheOfficialOne() throws {
    let picture = BlendPicture.drawFlower()
    #expect(picture.width == 128 && picture.height == 128 && picture.channels == 3)
    for (channel, wanted) in [213.0, 191, 199].enumerated() {
      let values = stride(from: channel, to: picture.pixels.count, by: 3)
        .map { Double(picture.pixels[$0]) }
      let mean = values.reduce(0, +) / Double(values.count)
      let variance = values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(values.count)
      #expect(abs(mean - wanted) < 3)
      // Structured, not flat.
      #expect(variance.squareRoot() > 40)
    }
    #expect(picture == BlendPicture.drawFlower())
  }

  @Test func testImagesMayBeBlendedMoreStrongly() throws {
    let poisoner = try Poisoner(AttackSpec(.blended(BlendedAttack(alpha: 0.1, testAlpha: 1))))
    let images = try flat(0)
    let picture = try BlendPicture.builtIn.values(for: ImageForm(of: images)).to(.uint8)
    #expect(try poisoner.trigger(images).bytes() == picture.bytes())
  }

  @Test func worksOnGrayImages() throws {
    let images = try flat(0, channels: 1, side: 28)
    let mean = try blend(1, images).to(.float32).mean().item()
    #expect(abs(mean - (0.299 * 213 + 0.587 * 191 + 0.114 * 199)) < 3)
  }
}
