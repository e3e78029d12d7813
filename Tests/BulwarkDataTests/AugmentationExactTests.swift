import Testing

@testable import BulwarkData
@testable import BulwarkTensor

/// Every augmentation with fixed parameters against the reference libraries' own results.
@Suite("Augmentations, pixel by pixel")
struct AugmentationExactTests {
  private struct Exact: Decodable {
    let pixels: [UInt8]
    let cases: [String: [Float]]
  }

  /// Runs one step with given parameters in both implementations on the fixture's picture.
  private func check(
    _ step: AugmentationStep, _ parameters: [Float], _ name: String, tolerance: Double = 2e-5,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let exact = try fixture("exact", as: Exact.self)
    let images = try Tensor(exact.pixels, shape: [1, 3, 12, 12])
    let expected = try #require(exact.cases[name])
    let rows = max(1, parameters.count)
    let drawn = try Tensor(parameters.isEmpty ? [0] : parameters, shape: [rows, 1])
    for implementation in [AugmentationPipeline.Implementation.fused, .tensors] {
      let made = try AugmentationPipeline([step]).apply(
        images, parameters: drawn, implementation: implementation)
      let worst = zip(try made.floats(), expected).map { abs(Double($0) - Double($1)) }.max() ?? 1
      #expect(made.count == expected.count, sourceLocation: sourceLocation)
      #expect(worst < tolerance, "\(name), \(implementation)", sourceLocation: sourceLocation)
    }
  }

  private func jitter(_ order: [Float], _ factors: [Float]) -> [Float] { order + factors }

  @Test("Brightness 1.4 is torchvision's")
  func brightness() throws {
    try check(
      .colorJitter(ColorJitter()), jitter([-1, 0, -1, -1], [1.4, 9, 9, 9]), "brightness")
  }

  // torchvision weighs red by 0.2989 instead of 0.299, hence 1e-4.
  @Test("Contrast 0.6 is torchvision's")
  func contrast() throws {
    try check(
      .colorJitter(ColorJitter()), jitter([1, -1, -1, -1], [9, 0.6, 9, 9]), "contrast",
      tolerance: 1e-4)
  }

  @Test("Saturation 1.4 is torchvision's")
  func saturation() throws {
    try check(
      .colorJitter(ColorJitter()), jitter([-1, -1, 2, -1], [9, 9, 1.4, 9]), "saturation",
      tolerance: 1e-4)
  }

  @Test("Hue +0.1 and -0.35 are torchvision's")
  func hue() throws {
    try check(.colorJitter(ColorJitter()), jitter([-1, -1, -1, 3], [9, 9, 9, 0.1]), "hue")
    try check(.colorJitter(ColorJitter()), jitter([3, -1, -1, -1], [9, 9, 9, -0.35]), "hueBack")
  }

  @Test("The four operations run in the drawn order")
  func order() throws {
    try check(
      .colorJitter(ColorJitter()), jitter([2, 1, 3, 0], [0.8, 1.3, 0.7, -0.05]), "order",
      tolerance: 2e-4)
  }

  @Test("Gray is 0.299 R + 0.587 G + 0.114 B in all channels")
  func grayscale() throws {
    try check(.grayscale(Grayscale()), [1], "grayscale", tolerance: 1.2e-4)
    let colors = try Tensor([Float]([1, 0, 0, 0, 1, 0, 0, 0, 1]), shape: [3, 3, 1, 1])
    let made = try AugmentationPipeline([.grayscale(Grayscale())]).apply(
      colors, parameters: Tensor([Float]([1, 1, 1]), shape: [1, 3]))
    #expect(
      try made.floats() == [0.299, 0.299, 0.299, 0.587, 0.587, 0.587, 0.114, 0.114, 0.114])
  }

  @Test("A flip with p = 1 mirrors every row, with p = 0 none")
  func flip() throws {
    try check(.horizontalFlip(HorizontalFlip()), [1], "flip")
    let images = try Tensor([UInt8]([0, 51, 255]), shape: [1, 1, 1, 3])
    for (probability, expected) in [(1.0, [1, 0.2, 0]), (0.0, [0, 0.2, 1])] as [(Double, [Float])] {
      let made = try AugmentationPipeline(
        [.horizontalFlip(HorizontalFlip(probability: probability))]
      ).apply(images, key: RandomKey(seed: 1))
      #expect(try made.floats() == expected)
    }
  }

  @Test("A crop with known offsets is torchvision's, with zeros and with reflection")
  func padCrop() throws {
    // torchvision's window at (1, 6) of the image padded by 4 is a shift by (-3, +2).
    try check(.padCrop(PadCrop(padding: 4, mode: .zero)), [-3, 2], "zeroCrop")
    try check(.padCrop(PadCrop(padding: 4, mode: .reflect)), [-3, 2], "reflectCrop")
  }

  @Test("Crop and resize are Pillow's, enlarging and shrinking, bilinear and bicubic")
  func resizedCrop() throws {
    for (filter, name) in [(RandomResizedCrop.Filter.bicubic, "bicubic"), (.bilinear, "bilinear")] {
      try check(
        .randomResizedCrop(RandomResizedCrop(height: 12, width: 12, filter: filter)),
        [2, 3, 6, 8], name + "Up")
      try check(
        .randomResizedCrop(RandomResizedCrop(height: 5, width: 5, filter: filter)),
        [0, 1, 12, 11], name + "Down")
    }
  }

  @Test("A blur of sigma 1.3 over 5 pixels is torchvision's")
  func blur() throws {
    try check(
      .gaussianBlur(GaussianBlur(kernelSize: 5, border: .reflect)), [1.3], "blur")
  }

  @Test("Normalizing is torchvision's")
  func normalize() throws {
    try check(.normalize(.cifar10), [], "normalize")
  }

  @Test("Neutral parameters change nothing")
  func identity() throws {
    let images = try Tensor((0..<768).map { UInt8($0 * 7 % 256) }, shape: [1, 3, 16, 16])
    let original = try ImageDataset.unitRange(images)
    let neutral: [(AugmentationStep, [Float])] = [
      (.padCrop(PadCrop()), [0, 0]), (.horizontalFlip(HorizontalFlip()), [0]),
      (.randomResizedCrop(RandomResizedCrop(height: 16, width: 16)), [0, 0, 16, 16]),
      (.colorJitter(ColorJitter()), [0, 1, 2, 3, 1, 1, 1, 0]), (.grayscale(Grayscale()), [0]),
      (.gaussianBlur(GaussianBlur()), [0]), (.gaussianBlur(GaussianBlur()), [0.01]),
    ]
    for (step, parameters) in neutral {
      for implementation in [AugmentationPipeline.Implementation.fused, .tensors] {
        let made = try AugmentationPipeline([step]).apply(
          images, parameters: Tensor(parameters, shape: [parameters.count, 1]),
          implementation: implementation)
        #expect(try largestDifference(made, original) < 2e-6, "\(step), \(implementation)")
      }
    }
  }
}
