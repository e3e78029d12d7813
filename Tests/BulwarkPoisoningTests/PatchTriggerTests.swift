import BulwarkData
import BulwarkTensor
import Testing

@testable import BulwarkPoisoning

@Suite struct PatchTriggerTests {
  func stamp(_ patch: PatchTrigger, _ images: Tensor) throws -> Tensor {
    try patch.prepared(for: ImageForm(of: images)).apply(to: images)
  }

  @Test func officialPatchIsPixelExact() throws {
    let before = try makeDataset(count: 2).images
    let after = try stamp(.dbd, before)
    let colors = [(180, 249, 112), (155, 50, 126), (234, 82, 68), (187, 201, 219)]
    var expected = try before.integers()
    for image in 0..<2 {
      for (place, color) in colors.enumerated() {
        let at = image * 3 * 1024 + (4 + place / 2) * 32 + 4 + place % 2
        expected[at] = color.0
        expected[at + 1024] = color.1
        expected[at + 2048] = color.2
      }
    }
    #expect(try after.integers() == expected)
  }

  @Test func cornerPatchIsThreeWhitePixelsLowerRight() throws {
    let after = try stamp(.corner, flat(10))
    let white = try after.eq(255).to(.float32).sum().item()
    #expect(white == 27)
    #expect(
      try after.narrow(2, start: 29, length: 3).narrow(3, start: 29, length: 3).min().item() == 255)
  }

  @Test(arguments: [
    (8, 1, 1, 1), (16, 2, 2, 1), (28, 3, 3, 1), (32, 4, 4, 1), (64, 8, 8, 2), (224, 28, 28, 7),
  ])
  func officialPatchKeepsItsPlaceAtOtherSizes(_ expected: (Int, Int, Int, Int)) throws {
    let (side, row, column, factor) = expected
    let place = try PatchTrigger.dbd.region(in: ImageForm(channels: 3, height: side, width: side))
    #expect(place == (row, column, factor))
  }

  @Test(arguments: [8, 16, 28, 32, 64, 224])
  func cornerPatchStaysInTheCorner(_ side: Int) throws {
    let place = try PatchTrigger.corner.region(
      in: ImageForm(channels: 3, height: side, width: side))
    #expect(place.row + 3 * place.factor == side)
    #expect(place.column + 3 * place.factor == side)
  }

  @Test func colorPatchTurnsGrayOnGrayImages() throws {
    let after = try stamp(.dbd, flat(10, channels: 1))
    // 0.299 · 180 + 0.587 · 249 + 0.114 · 112 = 212.7
    #expect(try pixel(after, 0, 4, 4) == 213)
    #expect(try after.ne(10).to(.float32).sum().item() == 4)
  }

  @Test func blackChannelsOfAPictureLeaveTheImageAsItIs() throws {
    let picture = RasterImage(width: 2, height: 1, channels: 3, pixels: [0, 200, 0, 0, 0, 0])
    let patch = try PatchTrigger(name: "p", picture: picture, placement: .exact(row: 3, column: 5))
    let after = try stamp(patch, flat(10))
    #expect(try pixel(after, 1, 3, 5) == 200)
    #expect(try after.ne(10).to(.float32).sum().item() == 1)
  }

  @Test func anyPNGMarksAndFills() throws {
    var pixels = [UInt8](repeating: 0, count: 32 * 32 * 3)
    pixels.replaceSubrange((7 * 32 + 9) * 3..<(7 * 32 + 9) * 3 + 3, with: [1, 2, 3])
    let path = try temporaryPath("trigger.png")
    try ImageCodec.writePNG(
      RasterImage(width: 32, height: 32, channels: 3, pixels: pixels), to: path)
    let patch = try PatchTrigger(path: path)
    #expect(patch.name == "trigger.png")
    let after = try stamp(patch, flat(99))
    #expect(try (0..<3).map { try pixel(after, $0, 7, 9) } == [1, 2, 3])
    #expect(try after.ne(99).to(.float32).sum().item() == 3)
  }

  @Test func pictureLargerThanTheImagesIsRefused() throws {
    let picture = RasterImage(
      width: 40, height: 8, channels: 1, pixels: [UInt8](repeating: 9, count: 320))
    let patch = try PatchTrigger(
      name: "wide.png", picture: picture, placement: .exact(row: 0, column: 0))
    #expect(
      throws: PoisonError.triggerTooLarge(trigger: "wide.png", size: [8, 40], image: [32, 32])
    ) { try stamp(patch, flat(0)) }
    // The same patch fits exactly into 40 columns and not one further right.
    let form = ImageForm(channels: 1, height: 8, width: 40)
    #expect(try patch.region(in: form) == (0, 0, 1))
    let moved = try PatchTrigger(
      name: "wide.png", picture: picture, placement: .exact(row: 0, column: 1))
    #expect(throws: PoisonError.self) { try moved.region(in: form) }
  }

  @Test func blackPictureIsRefused() throws {
    let picture = RasterImage(width: 1, height: 1, channels: 3, pixels: [0, 0, 0])
    #expect(throws: PoisonError.emptyTrigger(trigger: "black")) {
      try PatchTrigger(name: "black", picture: picture, placement: .exact(row: 0, column: 0))
    }
  }

  @Test func fourCornersFollowThePublishedPattern() throws {
    let trigger = try CornerTrigger(amplitude: 1).prepared(
      for: ImageForm(channels: 3, height: 32, width: 32))
    let after = try trigger.apply(to: flat(100))
    func block(_ top: Int, _ left: Int) throws -> String {
      try (top..<top + 3).map { row in
        try (left..<left + 3).map { try pixel(after, 1, row, $0) == 255 ? "+" : "-" }.joined()
      }.joined(separator: "/")
    }
    #expect(try block(0, 0) == "+--/-+-/+-+")
    #expect(try block(0, 29) == "--+/-+-/+-+")
    #expect(try block(29, 0) == "+--/-+-/+-+")
    #expect(try block(29, 29) == "--+/-+-/+-+")
    #expect(try after.ne(100).to(.float32).sum().item() == 4 * 9 * 3)
    #expect(try after.flip([3]).bytes() == after.bytes())
    let faint = try CornerTrigger(amplitude: 32.0 / 255).prepared(
      for: ImageForm(channels: 3, height: 32, width: 32)
    ).apply(to: flat(100))
    #expect(try pixel(faint, 0, 0, 0) == 132)
    #expect(try pixel(faint, 0, 0, 1) == 68)
  }

  @Test("A place that no image has is refused", arguments: [-1, Int.max])
  func impossiblePlace(row: Int) {
    #expect(throws: PoisonError.self) {
      try PatchTrigger(
        name: "far", picture: PatchTrigger.corner.picture,
        placement: .exact(row: row, column: 0))
    }
    #expect(throws: PoisonError.self) {
      try PatchTrigger(
        name: "far", picture: PatchTrigger.corner.picture,
        placement: .scaled(row: row, column: 0, reference: .max))
    }
  }
}
