import Testing

@testable import BulwarkData
@testable import BulwarkTensor

/// Many draws on one picture against many draws of torchvision's transforms on it.
@Suite("Augmentation statistics")
struct AugmentationStatisticsTests {
  private struct Moments: Decodable {
    let mean: [Double]
    let deviation: [Double]
  }
  private struct Case: Decodable {
    /// Per draw and channel: mean, mean of squares, left mean minus right mean.
    let mean: Moments
    let power: Moments
    let tilt: Moments
  }
  private struct Statistics: Decodable {
    let draws: Int
    let pixels: [UInt8]
    let cases: [String: Case]
  }

  private static let draws = 4000

  private func measure(_ pipeline: AugmentationPipeline, _ pixels: [UInt8]) throws -> [[Double]] {
    let images = try Tensor(pixels, shape: [1, 3, 32, 32]).expand([Self.draws, 3, 32, 32])
      .contiguous()
    let made = try pipeline.apply(images, key: RandomKey(seed: 8))
    let left = try made.narrow(3, start: 0, length: 16).mean([2, 3])
    let right = try made.narrow(3, start: 16, length: 16).mean([2, 3])
    return [
      try made.mean([2, 3]).doubles(), try made.square().mean([2, 3]).doubles(),
      try (left - right).doubles(),
    ]
  }

  /// Mean and standard deviation of channel `channel` of `[draws, 3]` values.
  private func moments(_ values: [Double], _ channel: Int) -> (mean: Double, deviation: Double) {
    let own = stride(from: channel, to: values.count, by: 3).map { values[$0] }
    let mean = own.reduce(0, +) / Double(own.count)
    let variance = own.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(own.count - 1)
    return (mean, variance.squareRoot())
  }

  /// The distance of two sample means in standard errors, and the ratio of the spreads.
  private func compare(
    _ name: String, _ pipeline: AugmentationPipeline, rounding: Double = 2e-4
  ) throws -> Bool {
    let statistics = try fixture("statistics", as: Statistics.self)
    let expected = try #require(statistics.cases[name])
    let measured = try measure(pipeline, statistics.pixels)
    var holds = true
    for (values, reference) in zip(measured, [expected.mean, expected.power, expected.tilt]) {
      for channel in 0..<3 {
        let own = moments(values, channel)
        let spread = reference.deviation[channel]
        // Both sides are samples: 5 standard errors of their difference.
        let allowed = 5 * spread * (2 / Double(Self.draws)).squareRoot() + rounding
        if abs(own.mean - reference.mean[channel]) > allowed { holds = false }
        if abs(own.deviation - spread) > 0.08 * spread + rounding { holds = false }
      }
    }
    return holds
  }

  private static let crop = AugmentationStep.randomResizedCrop(
    RandomResizedCrop(height: 32, width: 32))
  private static let blur = AugmentationStep.gaussianBlur(
    GaussianBlur(kernelSize: 13, border: .reflect))

  @Test("Every augmentation has torchvision's mean, power, position and spread")
  func agrees() throws {
    let cases: [(String, [AugmentationStep])] = [
      ("padCropZero", [.padCrop(PadCrop(padding: 4, mode: .zero))]),
      ("padCropReflect", [.padCrop(PadCrop(padding: 4, mode: .reflect))]),
      ("flip", [.horizontalFlip(HorizontalFlip())]), ("colorJitter", [.colorJitter(ColorJitter())]),
      ("grayscale", [.grayscale(Grayscale())]), ("blur", [Self.blur]),
    ]
    for (name, steps) in cases {
      #expect(try compare(name, AugmentationPipeline(steps)), "\(name)")
    }
    // The reference rounds to 8 bits here.
    #expect(try compare("resizedCrop", AugmentationPipeline([Self.crop]), rounding: 1e-3))
    #expect(
      try compare(
        "simclr",
        AugmentationPipeline([
          Self.crop, .horizontalFlip(HorizontalFlip()), .colorJitter(ColorJitter()),
          .grayscale(Grayscale()), Self.blur,
        ]), rounding: 1e-3))
  }

  @Test("The comparison fails for a wrong strength, so it can tell")
  func tells() throws {
    let wrong: [(String, AugmentationStep)] = [
      ("padCropZero", .padCrop(PadCrop(padding: 3, mode: .zero))),
      ("padCropReflect", .padCrop(PadCrop(padding: 4, mode: .zero))),
      ("flip", .horizontalFlip(HorizontalFlip(probability: 0.4))),
      ("colorJitter", .colorJitter(ColorJitter(hue: 0.2))),
      ("grayscale", .grayscale(Grayscale(probability: 0.3))),
      ("blur", .gaussianBlur(GaussianBlur(sigma: 0.1...3, kernelSize: 13, border: .reflect))),
      ("resizedCrop", .randomResizedCrop(RandomResizedCrop(height: 32, width: 32, scale: 0.1...1))),
    ]
    for (name, step) in wrong {
      #expect(try !compare(name, AugmentationPipeline([step]), rounding: 1e-3), "\(name)")
    }
  }
}
