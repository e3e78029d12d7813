import BulwarkData
import BulwarkTensor

/// What a training method is given: images with (possibly poisoned) labels, and, for the record
/// only, what is known about them.
public struct TrainingData: Sendable {
  /// Training images with the labels as given.
  public let train: ImageDataset
  /// Measurements taken after every stage.
  public let evaluator: Evaluator
  /// Positions of the true poisons, where they are known. Only measured with, never trained with.
  public let knownPoisons: [Int]?

  /// Describes a training set.
  public init(train: ImageDataset, evaluator: Evaluator, knownPoisons: [Int]? = nil) {
    self.train = train
    self.evaluator = evaluator
    self.knownPoisons = knownPoisons
  }

  /// How pixels become input.
  public var normalization: Normalize { evaluator.normalization }
}

/// Walks through the samples of a data set, or of a subset, batch by batch; the order of an epoch is
/// drawn once and any step can be asked for, so that a run can resume anywhere.
public struct BatchWalk {
  private let dataset: ImageDataset
  private let members: [Int]
  private let sampler: EpochSampler
  private var epoch = -1
  private var order: [Int] = []

  /// Batches of `members` (positions in `dataset`; all by default) in an order drawn from `key`.
  public init(
    _ dataset: ImageDataset, members: [Int]? = nil, batchSize: Int, key: RandomKey,
    dropLast: Bool = false
  ) {
    self.dataset = dataset
    self.members = members ?? Array(0..<dataset.count)
    sampler = EpochSampler(
      count: self.members.count, batchSize: min(batchSize, self.members.count), key: key,
      dropLast: dropLast)
  }

  /// Steps in an epoch.
  public var stepsPerEpoch: Int { sampler.stepsPerEpoch }

  /// The batch of a step counted over all epochs.
  public mutating func batch(step: Int) throws -> ImageDataset.Batch {
    let wanted = step / stepsPerEpoch
    if wanted != epoch {
      order = try sampler.order(epoch: wanted)
      epoch = wanted
    }
    let start = (step % stepsPerEpoch) * sampler.batchSize
    let positions = order[start..<min(order.count, start + sampler.batchSize)]
    return try dataset.batch(positions.map { members[$0] })
  }
}
