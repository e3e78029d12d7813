import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// Settings of margin-based watermarks.
public struct MarginOptions: Hashable, Sendable, Codable {
  /// Carriers added to every batch.
  public var carriersPerBatch: Int
  /// Steps away from the label before the loss is taken.
  public var ascentSteps: Int
  /// Size of one such step, for images in 0...1.
  public var ascentStep: Double
  /// Weight of the carriers' mean cross-entropy beside the task's.
  public var weight: Double

  /// The public code's 25 carriers and 5 steps of 1/255 (matbambbang/margin-based-watermarking). Its weight of 0.1
  /// is one of single carriers in the mean over a batch of 128 images and 25 carriers, 0.02 in the terms used here;
  /// the default of 0.1 embeds five times as strongly.
  public init(
    carriersPerBatch: Int = 25, ascentSteps: Int = 5, ascentStep: Double = 1 / 255,
    weight: Double = 0.1
  ) {
    self.carriersPerBatch = carriersPerBatch
    self.ascentSteps = ascentSteps
    self.ascentStep = ascentStep
    self.weight = weight
  }

  func validate() throws {
    let check = SettingCheck("watermark.margin")
    try check.whole("carriers_per_batch", carriersPerBatch, in: 1...SettingCheck.mostUnits)
    try check.whole("ascent_steps", ascentSteps, in: 0...SettingCheck.mostUnits)
    try check.number("ascent_step", ascentStep)
    try check.number("weight", weight, isAbove: true)
  }
}

/// Margin-based watermarking (Kim et al., ICML 2023): training images under random wrong labels, embedded
/// at the worst points near them, so that students find the label in a wide neighborhood.
///
/// Each step moves its carriers along the sign of the gradient of their cross-entropy, away from their
/// labels, inside 0...1, and adds the weighted cross-entropy at the points reached. The carriers are not
/// trained with under their true labels. Deviation from the public code: ascent in evaluation mode, so
/// that it leaves the running statistics alone.
final class MarginEmbedding: WatermarkProcedure {
  private let context: HostContext
  private let options: MarginOptions
  private let feed: CarrierFeed
  /// One step of 1 in 0...1 for normalized input, and the smallest and largest normalized value, each
  /// [1, C, 1, 1].
  private let unit: Tensor
  private let lowest: Tensor
  private let highest: Tensor

  init(_ context: HostContext, _ options: MarginOptions) throws {
    self.context = context
    self.options = options
    feed = try context.feed(context.key)
    let normalization = context.data.normalization
    let (mean, deviation) = (normalization.mean, normalization.deviation)
    let device = context.session.device
    let shape = [1, mean.count, 1, 1]
    unit = try Tensor(deviation.map { 1 / $0 }, shape: shape).to(device)
    lowest = try Tensor(zip(mean, deviation).map { -$0 / $1 }, shape: shape).to(device)
    highest = try Tensor(zip(mean, deviation).map { (1 - $0) / $1 }, shape: shape).to(device)
  }

  func loss(_ pass: HostPass) throws -> Tensor {
    let carriers = try feed.batch(step: pass.step, count: options.carriersPerBatch)
    let moved = try ascended(carriers.images, carriers.labels)
    let joint = try context.joint(pass, moved, carriers.labels)
    let task = try joint.task.crossEntropy(
      pass.labels, labelSmoothing: context.training.labelSmoothing)
    return try task + joint.carriers.crossEntropy(carriers.labels) * options.weight
  }

  /// The points that `ascentSteps` steps away from the labels reach.
  private func ascended(_ images: Tensor, _ labels: Tensor) throws -> Tensor {
    var current = images
    for _ in 0..<options.ascentSteps {
      let point = try current.detach().clone()
      try point.setRequiresGradient(true)
      let loss = try context.logits(context.model, point, .evaluation).crossEntropy(labels)
      let slope = try loss.gradients(of: [point])[0]
      current = try withoutGradients {
        try (point.detach() + slope.sign() * unit * options.ascentStep)
          .maximum(lowest).minimum(highest)
      }
    }
    return current
  }
}
