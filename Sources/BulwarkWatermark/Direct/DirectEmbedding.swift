import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// Settings of direct embedding.
public struct DirectOptions: Hashable, Sendable, Codable {
  /// Carriers added to every batch.
  public var carriersPerBatch: Int

  /// Eight carriers to a batch of 128, near the 2 to 100 of the public code.
  public init(carriersPerBatch: Int = 8) { self.carriersPerBatch = carriersPerBatch }

  func validate() throws {
    try SettingCheck("watermark.direct").whole(
      "carriers_per_batch", carriersPerBatch, in: 1...SettingCheck.mostUnits)
  }
}

/// Carriers under plain cross-entropy in every batch: the embedding of Adi et al. 2018
/// (adiyoss/WatermarkNN, train.py and trainer.py) and, with other carriers, of Zhang et al. 2018.
///
/// Loss: mean cross-entropy over task images and carriers together.
final class DirectEmbedding: WatermarkProcedure {
  private let context: HostContext
  private let options: DirectOptions
  private let feed: CarrierFeed

  init(_ context: HostContext, _ options: DirectOptions) throws {
    self.context = context
    self.options = options
    feed = try context.feed(context.key)
  }

  func loss(_ pass: HostPass) throws -> Tensor {
    let carriers = try feed.batch(step: pass.step, count: options.carriersPerBatch)
    return try context.joint(pass, carriers.images, carriers.labels).loss
  }
}

extension HostContext {
  /// One training pass over task images and carriers together, which share the batch statistics.
  ///
  /// - Returns: the mean cross-entropy over both, and the logits of each.
  func joint(_ pass: HostPass, _ carriers: Tensor, _ labels: Tensor) throws -> (
    loss: Tensor, task: Tensor, carriers: Tensor
  ) {
    let count = pass.images.shape[0]
    let extra = carriers.shape[0]
    let all = try logits(model, Tensor.cat([pass.images, carriers]), .training)
    let loss = try all.crossEntropy(
      Tensor.cat([pass.labels, labels]), labelSmoothing: training.labelSmoothing)
    return (
      loss, try all.narrow(0, start: 0, length: count),
      try all.narrow(0, start: count, length: extra)
    )
  }
}
