import BulwarkData
import BulwarkTensor
import BulwarkTraining

/// Which images of a pair's classes are trained with the pair's label outright.
///
/// The images of each source class are ordered by a secret projection that is constant in 2 × 2 cells, a
/// feature that any network can learn; those beyond the class's quantile take the pair's label. A network
/// that only sees first answers then finds c among a's and among b's images, as it finds it as runner-up
/// in soft ones.
struct HardShare {
  /// [C·H·W], unit length, for pixels in 0...1.
  private let projection: Tensor
  /// Smallest projection of an image that takes the label, by class; [classes].
  private let thresholds: Tensor
  /// The label, by class; [classes], int64.
  private let labels: Tensor
  /// 1 for the classes of a pair, 0 for others; [classes], float32.
  private let isSource: Tensor
  private let share: Double
  private let range: PixelRange

  init(_ context: HostContext, share: Double) throws {
    let key = context.key
    let device = context.session.device
    let train = context.data.train
    let secret = key.secret
    let places = try withoutGradients {
      let pixels = try ImageDataset.unitRange(train.images).reshape([train.count, -1])
      let line = try CosineSignal(grid: 2).projection(secret, shape: key.shape)
      return try (pixels * line.reshape([1, -1])).sum([1]).doubles()
    }
    projection = try CosineSignal(grid: 2).projection(secret, shape: key.shape).to(device)
    var limits = [Float](repeating: .infinity, count: key.classes)
    var answers = Array(0..<key.classes)
    if let carriers = key.mark.carriers {
      for group in try CarrierPlan(secret, carriers, classes: key.classes).groups {
        for source in group.sources {
          let own = train.labels.indices.filter { train.labels[$0] == source }
            .map { places[$0] }.sorted()
          guard !own.isEmpty, let label = group.label else { continue }
          limits[source] = Float(own[min(own.count - 1, Int(Double(own.count) * (1 - share)))])
          answers[source] = label
        }
      }
    }
    thresholds = try Tensor(limits).to(device)
    labels = try Tensor(answers).to(device)
    isSource = try Tensor(answers.enumerated().map { Float($0 == $1 ? 0 : 1) }).to(device)
    self.share = share
    range = try context.pixels
  }

  /// The labels that images are trained with.
  ///
  /// - Parameters:
  ///   - images: [B, C, H, W], float32, normalized, as the host sees them.
  ///   - labels: their own, [B], int64.
  /// - Returns: [B] labels, and a column [B, 1] of truth values: whether an image takes the pair's label.
  /// - Throws: `TensorError`.
  func callAsFunction(_ images: Tensor, _ labels: Tensor) throws -> (labels: Tensor, taken: Tensor)
  {
    try withoutGradients {
      let pixels = try range(images).contiguous().reshape([labels.count, -1])
      let places = try (pixels * projection.reshape([1, -1])).sum([1])
      let taken = try places.ge(thresholds.indexSelect(0, labels))
      let answers = try self.labels.indexSelect(0, labels).where(taken, else: labels)
      return (answers, try taken.reshape([labels.count, 1]))
    }
  }

  /// The same for the images of a batch that the host is least sure of: of those of the pairs' classes, the
  /// share with the smallest probability of their own class.
  ///
  /// - Parameters:
  ///   - logits: the host's, [B, classes], without gradient.
  ///   - labels: their own, [B], int64.
  /// - Returns: [B] labels, and a column [B, 1] of truth values: whether an image takes the pair's label.
  /// - Throws: `TensorError`.
  func hardest(_ logits: Tensor, _ labels: Tensor) throws -> (labels: Tensor, taken: Tensor) {
    try withoutGradients {
      let count = labels.count
      let source = try isSource.indexSelect(0, labels)
      let own = try logits.softmax(1).gather(1, labels.reshape([count, 1])).reshape([count])
      // Images of other classes rank behind all.
      let doubt = try source * (2.0 - own)
      let wanted = Int((try source.sum().item() * share).rounded())
      guard wanted > 0 else { return (labels, try source.reshape([count, 1]).gt(2)) }
      let least = try doubt.topK(wanted).values.min().item()
      let taken = try doubt.ge(least)
      let answers = try self.labels.indexSelect(0, labels).where(taken, else: labels)
      return (answers, try taken.reshape([count, 1]))
    }
  }
}
