import Foundation
import Testing

@testable import BulwarkData
@testable import BulwarkTensor

@Suite("Augmentation pipelines")
struct AugmentationPipelineTests {
  private func images(_ count: Int, channels: Int = 3, size: Int = 32) throws -> Tensor {
    try RandomKey(seed: 5).integers([count, channels, size, size], below: 256).to(.uint8)
  }

  @Test("The fused kernel and the tensor operations agree to 1e-4", arguments: [1, 3])
  func parity(channels: Int) throws {
    let pipelines: [AugmentationPipeline] = [
      .simclr(size: 32, normalize: nil), .weak(size: 32, normalize: nil),
      AugmentationPipeline([
        .gaussianBlur(GaussianBlur(probability: 1, kernelSize: 5, border: .reflect)),
        .padCrop(PadCrop(padding: 3, mode: .zero)),
        .randomResizedCrop(RandomResizedCrop(height: 20, width: 24, filter: .bilinear)),
        .colorJitter(ColorJitter(hue: 0.5, probability: 1)), .horizontalFlip(HorizontalFlip()),
      ]),
    ]
    for pipeline in pipelines {
      let batch = try images(48, channels: channels)
      let key = RandomKey(seed: 11)
      let fused = try pipeline.apply(batch, key: key, implementation: .fused)
      let tensors = try pipeline.apply(batch, key: key, implementation: .tensors)
      #expect(fused.shape == tensors.shape)
      #expect(try largestDifference(fused, tensors) < 1e-4)
    }
  }

  @Test("Output is [B, C, H', W'] float32 in 0...1, from uint8 and from float alike")
  func form() throws {
    let batch = try images(5, size: 40)
    let pipeline = AugmentationPipeline.simclr(size: 32, normalize: nil)
    let made = try pipeline.apply(batch, key: RandomKey(seed: 1))
    #expect(made.shape == [5, 3, 32, 32] && made.dtype == .float32)
    #expect(try made.min().item() >= 0)
    #expect(try made.max().item() <= 1)
    let again = try pipeline.apply(ImageDataset.unitRange(batch), key: RandomKey(seed: 1))
    #expect(try largestDifference(made, again) < 1e-6)
  }

  @Test("The same key gives the same bytes; another key, batch place or view does not")
  func keyed() throws {
    let pipeline = AugmentationPipeline.simclr(size: 32)
    let batch = try images(4)
    let key = RandomKey(seed: 3).stream("view").step(0)
    let first = try pipeline.apply(batch, key: key)
    #expect(try first.floats() == pipeline.apply(batch, key: key).floats())
    #expect(
      try largestDifference(
        first, pipeline.apply(batch, key: RandomKey(seed: 3).stream("view").step(1)))
        > 0.1)
    let same = try images(1).expand([2, 3, 32, 32])
    let two = try pipeline.apply(same, key: key)
    #expect(
      try largestDifference(
        two.narrow(0, start: 0, length: 1), two.narrow(0, start: 1, length: 1)) > 0.1)
  }

  @Test("The result does not depend on the number of threads")
  func threads() throws {
    let runtime = try Runtime.shared()
    let before = try runtime.threadCount()
    defer { try? runtime.setThreadCount(before) }
    let pipeline = AugmentationPipeline.simclr(size: 32)
    let batch = try images(100)
    try runtime.setThreadCount(1)
    let one = try pipeline.apply(batch, key: RandomKey(seed: 2)).floats()
    try runtime.setThreadCount(3)
    #expect(try pipeline.apply(batch, key: RandomKey(seed: 2)).floats() == one)
  }

  @Test("A pipeline survives JSON, so that recipes can hold it")
  func codable() throws {
    let pipeline = AugmentationPipeline.simclr(size: 32)
    let data = try JSONEncoder().encode(pipeline)
    #expect(try JSONDecoder().decode(AugmentationPipeline.self, from: data) == pipeline)
  }

  @Test("The presets are the official DBD configuration")
  func presets() {
    let simclr = AugmentationPipeline.simclr(size: 32).steps
    #expect(
      simclr == [
        .randomResizedCrop(
          RandomResizedCrop(height: 32, width: 32, scale: 0.2...1, filter: .bicubic)),
        .horizontalFlip(HorizontalFlip(probability: 0.5)),
        .colorJitter(
          ColorJitter(
            brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, probability: 0.8)),
        .grayscale(Grayscale(probability: 0.2)),
        .gaussianBlur(GaussianBlur(probability: 0.5, sigma: 0.1...2)), .normalize(.cifar10),
      ])
    #expect(
      AugmentationPipeline.weak(size: 32).steps == [
        .padCrop(PadCrop(padding: 4, mode: .reflect)), .horizontalFlip(HorizontalFlip()),
        .normalize(.cifar10),
      ])
  }

  @Test("Steps that do not fit the images are refused with both numbers")
  func misfit() throws {
    let small = try Tensor.zeros([1, 3, 4, 4], dtype: .uint8)
    for (pipeline, word) in [
      (AugmentationPipeline([.padCrop(PadCrop(padding: 4))]), "augmentation.padding is 4"),
      (AugmentationPipeline([.normalize(Normalize(mean: [0], deviation: [1]))]), "1 means"),
      (AugmentationPipeline([.gaussianBlur(GaussianBlur(border: .reflect))]), "kernel is 13"),
    ] {
      let error = dataError { _ = try pipeline.apply(small, key: RandomKey(seed: 0)) }
      #expect(error?.summary.contains(word) == true)
    }
  }

  @Test("Impossible settings from a recipe are refused, not run")
  func impossibleSettings() throws {
    let batch = try images(1)
    for text in [
      #"{"padCrop":{"_0":{"padding":-1,"mode":"zero"}}}"#,
      #"{"horizontalFlip":{"_0":{"probability":1.5}}}"#,
      #"{"randomResizedCrop":{"_0":{"height":8,"width":8,"scale":[1],"ratio":[1,1],"filter":"bicubic"}}}"#,
      #"{"gaussianBlur":{"_0":{"probability":1,"sigma":[],"kernelSize":3,"border":"reflect"}}}"#,
      #"{"normalize":{"_0":{"mean":[0,0,0],"deviation":[1,0,1]}}}"#,
    ] {
      let step = try JSONDecoder().decode(AugmentationStep.self, from: Data(text.utf8))
      let error = dataError {
        _ = try AugmentationPipeline([step]).apply(batch, key: RandomKey(seed: 0))
      }
      #expect(error?.summary.contains("is impossible") == true, "\(text)")
    }
  }

  @Test("Drawn crops obey torchvision's rule: whole pixels, inside, area and ratio in range")
  func rectangles() throws {
    let crop = RandomResizedCrop(height: 32, width: 32)
    let drawn = try AugmentationPipeline([.randomResizedCrop(crop)]).draw(
      count: 2000, height: 32, width: 40, key: RandomKey(seed: 4)
    ).floats()
    for sample in 0..<2000 {
      let (top, left, height, width) = (
        drawn[sample], drawn[2000 + sample], drawn[4000 + sample], drawn[6000 + sample]
      )
      #expect(top >= 0 && left >= 0 && top + height <= 32 && left + width <= 40)
      let share = height * width / (32 * 40)
      // Rounding to whole pixels moves both a little.
      #expect(share > 0.17 && share <= 1.001)
      #expect((0.65...1.5).contains(width / height))
    }
  }

  @Test("A very long image falls back to the largest central crop within the ratios")
  func fallback() throws {
    let crop = RandomResizedCrop(height: 8, width: 8, scale: 0.9...1)
    let drawn = try AugmentationPipeline([.randomResizedCrop(crop)]).draw(
      count: 3, height: 10, width: 100, key: RandomKey(seed: 4)
    ).floats()
    #expect(drawn == [0, 0, 0, 43, 43, 43, 10, 10, 10, 13, 13, 13])
  }
}
