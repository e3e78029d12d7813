import BulwarkTensor

/// The order in which epochs visit the samples; any step of any epoch can be asked for directly.
///
/// Epoch *e* is the permutation drawn from `key.stream("epoch").step(e)`, so a run that resumes at
/// (epoch, step) sees exactly what the uninterrupted run would have seen.
public struct EpochSampler: Sendable, Hashable, Codable {
  /// Number of samples.
  public let count: Int
  /// Samples per step.
  public let batchSize: Int
  /// The source of all permutations.
  public let key: RandomKey
  /// Whether a last, smaller batch is left out.
  public let dropLast: Bool
  /// Whether samples are visited in a new random order every epoch (else in stored order).
  public let shuffles: Bool

  /// Describes the order; costs nothing.
  /// - Precondition: `count` and `batchSize` are at least 1.
  public init(
    count: Int, batchSize: Int, key: RandomKey, dropLast: Bool = false, shuffles: Bool = true
  ) {
    precondition(count >= 1, "a sampler needs at least one sample")
    precondition(batchSize >= 1, "a batch holds at least one sample")
    self.count = count
    self.batchSize = batchSize
    self.key = key
    self.dropLast = dropLast
    self.shuffles = shuffles
  }

  /// Steps in one epoch; with `dropLast` and fewer samples than a batch this is 0.
  public var stepsPerEpoch: Int {
    dropLast ? count / batchSize : (count + batchSize - 1) / batchSize
  }

  /// All positions in the order of one epoch.
  /// - Parameter epoch: 0 or more.
  /// - Returns: a permutation of `0..<count`.
  /// - Throws: `TensorError` when LibTorch is missing.
  public func order(epoch: Int) throws -> [Int] {
    guard shuffles else { return Array(0..<count) }
    return try key.stream("epoch").step(epoch).permutation(count).integers()
  }

  /// The positions of one step. Draws the epoch's whole order; loops use `batches(epoch:)`.
  /// - Parameters:
  ///   - epoch: 0 or more.
  ///   - step: `0..<stepsPerEpoch`.
  /// - Returns: up to `batchSize` positions.
  /// - Throws: `TensorError` when LibTorch is missing.
  public func indices(epoch: Int, step: Int) throws -> [Int] {
    precondition((0..<stepsPerEpoch).contains(step), "step \(step) is not in this epoch")
    let order = try order(epoch: epoch)
    return Array(order[step * batchSize..<min(count, (step + 1) * batchSize)])
  }

  /// All steps of one epoch.
  /// - Returns: `stepsPerEpoch` lists of positions.
  public func batches(epoch: Int) throws -> [[Int]] {
    let order = try order(epoch: epoch)
    return (0..<stepsPerEpoch).map {
      Array(order[$0 * batchSize..<min(count, ($0 + 1) * batchSize)])
    }
  }
}
