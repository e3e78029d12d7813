import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// What every scheme is given: the host, the task, the key, and how the host is trained.
struct HostContext {
  let model: ImageClassifier
  let data: TrainingData
  let key: WatermarkKey
  let training: SupervisedOptions
  /// Random views of task images, with normalization.
  let augmentation: AugmentationPipeline
  /// Steps of one epoch of the host.
  let stepsPerEpoch: Int
  let session: TrainingSession
  /// A trained model that the host starts from; nil for fresh weights.
  var start: ImageClassifier?
  /// Positions of the training images that networks learn under their own labels; nil for all.
  var members: [Int]?

  /// Logits of a model, [B, classes], float32.
  func logits(_ model: ImageClassifier, _ images: Tensor, _ mode: Mode) throws -> Tensor {
    try model.logits(images, mode).to(.float32)
  }

  /// The host's view of stored pixels.
  func view(_ pixels: Tensor, key: RandomKey) throws -> Tensor {
    let placed = try pixels.to(session.device)
    return training.augment
      ? try augmentation.apply(placed, key: key)
      : try data.normalization.prepare(placed, on: session.device)
  }

  /// Turns what the host sees back into pixels.
  var pixels: PixelRange {
    get throws { try PixelRange(data.normalization, on: session.device) }
  }

  /// The carriers of a key, normalized, on the device.
  func feed(_ key: WatermarkKey, _ name: String = "carriers") throws -> CarrierFeed {
    guard let carriers = try key.carriers() else {
      throw WatermarkError.badKey("the key", reason: "its scheme has no carriers")
    }
    return try CarrierFeed(
      carriers, data.normalization, key: session.key.stream("watermark/\(name)"),
      device: session.device)
  }
}

/// The inverse of a normalization, with its numbers on a device.
struct PixelRange {
  private let mean: Tensor
  private let deviation: Tensor

  init(_ normalization: Normalize, on device: Device) throws {
    let shape = [1, normalization.mean.count, 1, 1]
    mean = try Tensor(normalization.mean, shape: shape).to(device)
    deviation = try Tensor(normalization.deviation, shape: shape).to(device)
  }

  /// Pixels in 0...1 of normalized images, both [B, C, H, W].
  func callAsFunction(_ images: Tensor) throws -> Tensor { try images * deviation + mean }
}

/// Hands carriers out, a few a step, in turn from a random start (Adi et al., train.py). Carriers are
/// normalized and never augmented.
struct CarrierFeed {
  let carriers: CarrierSet
  /// [N, C, H, W], float32, normalized, on the device.
  let images: Tensor
  /// [N], int64, on the device.
  let labels: Tensor
  private let start: Int

  init(_ carriers: CarrierSet, _ normalization: Normalize, key: RandomKey, device: Device) throws {
    self.carriers = carriers
    images = try normalization.prepare(carriers.images, on: device)
    labels = try Tensor(carriers.labels).to(device)
    start = try key.stream("start").integers([1], below: carriers.count).integers()[0]
  }

  /// The carriers of one step; all of them when there are fewer than asked for.
  func batch(step: Int, count: Int) throws -> (images: Tensor, labels: Tensor, positions: [Int]) {
    let total = carriers.count
    let first = start + step * count
    let positions = (0..<min(count, total)).map { (first + $0) % total }
    let chosen = try Tensor(positions).to(images.device)
    return (
      try images.indexSelect(0, chosen), try labels.indexSelect(0, chosen), positions
    )
  }
}

/// Losses on soft answers.
enum SoftLoss {
  /// Mean over the batch of −Σ q · log softmax(z / T), in nats; times T² where asked for.
  ///
  /// - Parameters:
  ///   - target: probabilities q, [B, classes], float32, without gradient.
  ///   - logits: z, [B, classes], float32.
  ///   - temperature: T, above 0.
  ///   - squared: whether the result is multiplied by T².
  /// - Returns: a scalar, float32.
  /// - Throws: `TensorError`.
  static func crossEntropy(
    _ target: Tensor, _ logits: Tensor, temperature: Double, squared: Bool = false
  ) throws -> Tensor {
    let answer = try (logits / temperature).logSoftmax(1)
    let loss = try -(target * answer).sum([1]).mean()
    return squared ? try loss * (temperature * temperature) : loss
  }
}
