import BulwarkData
import BulwarkTensor
import BulwarkTraining

/// The random views of DBD: what stage 1 contrasts, and what stages 2 and 3 train on.
public struct DBDViews: Sendable {
  /// SimCLR's augmentations (fact sheet 1.2).
  public let contrastiveAugmentation: AugmentationPipeline
  /// Random crop and flip (fact sheet 1.4).
  public let weakAugmentation: AugmentationPipeline
  /// Describes the views.
  public init(contrastive: AugmentationPipeline, weak: AugmentationPipeline) {
    contrastiveAugmentation = contrastive
    weakAugmentation = weak
  }

  /// A weak view: [N, C, H, W] float32, normalized, from stored uint8 pixels.
  func weak(_ pixels: Tensor, key: RandomKey) throws -> Tensor {
    try weakAugmentation.apply(pixels, key: key)
  }

  /// A view for contrastive learning: [N, C, H, W] float32, normalized, from stored uint8 pixels.
  func contrastive(_ pixels: Tensor, _ settings: DBDOptions.SelfSupervision, key: RandomKey)
    throws -> Tensor
  {
    var x = try contrastiveAugmentation.apply(pixels, key: key)
    if settings.overlay > 0 {
      x = try overlaid(x, upTo: settings.overlay, key: key.stream("overlay"))
    }
    if settings.waves > 0 {
      x = try x + waves(like: x, upTo: settings.waves, key: key.stream("waves"))
    }
    return x
  }

  /// x + a · (other − x): another view of the batch laid over each, a uniform in 0...limit.
  private func overlaid(_ x: Tensor, upTo limit: Double, key: RandomKey) throws -> Tensor {
    let n = x.shape[0]
    let order = try key.stream("order").permutation(n).to(x.device)
    let share = try key.stream("share").uniform([n, 1, 1, 1], from: 0, to: limit).to(x.device)
    return try x + share * (x.indexSelect(0, order) - x)
  }

  /// Sinusoids of random direction, frequency (1 to 8 periods), phase and amplitude, one an image,
  /// equal in all channels.
  private func waves(like x: Tensor, upTo limit: Double, key: RandomKey) throws -> Tensor {
    let (n, height, width) = (x.shape[0], x.shape[2], x.shape[3])
    func draw(_ name: String, _ low: Double, _ high: Double) throws -> Tensor {
      try key.stream(name).uniform([n, 1, 1, 1], from: low, to: high).to(x.device)
    }
    let angle = try draw("angle", 0, .pi)
    let frequency = try draw("frequency", 1, 8) * (2 * .pi)
    let rows = try (Tensor.arange(height, dtype: .float32) / Double(height))
      .reshape([1, 1, height, 1]).to(x.device)
    let columns = try (Tensor.arange(width, dtype: .float32) / Double(width))
      .reshape([1, 1, 1, width]).to(x.device)
    let phase = try draw("phase", 0, 2 * .pi)
    let wave = try (frequency * (angle.cos() * columns + angle.sin() * rows) + phase).sin()
    return try draw("amplitude", 0, limit) * wave
  }
}
