import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Settings of the relearning test.
public struct RelearningOptions: Hashable, Sendable, Codable {
  /// Whether the test is made.
  public var enabled: Bool
  /// Share of the forget set that the model sees again, 0...1; at least one sample.
  public var share: Double
  /// Passes over it after which the rest is measured: 1, 5 or both.
  public var epochs: [Int]
  /// Optimizer and step size; its own number of epochs is but the length of a falling schedule.
  public var training: FineTuningOptions

  /// 2 % of the forget set, after one and five epochs of SGD at 0.01; running statistics stay, because
  /// a batch of two samples has none worth taking.
  public init(
    enabled: Bool = true, share: Double = 0.02, epochs: [Int] = [1, 5],
    training: FineTuningOptions = FineTuningOptions(
      epochs: 5, batchSize: 32, learningRate: 0.01, augment: false,
      frozenStatistics: true)
  ) {
    self.enabled = enabled
    self.share = share
    self.epochs = epochs
    self.training = training
  }
}

/// Whether forgotten samples come back when a few of them are seen again: a model that only hides what
/// it knows relearns the rest of the forget set, a retrained one does not.
///
/// A copy of the model is fine-tuned on the drawn share alone; what is measured is the accuracy on the
/// other forgotten samples.
public struct RelearningTest {
  let input: UnlearningInput
  let options: RelearningOptions

  /// Describes the test.
  public init(input: UnlearningInput, options: RelearningOptions) {
    self.input = input
    self.options = options
  }

  /// Runs the test; the model itself does not change.
  ///
  /// - Parameters:
  ///   - weights: of the model.
  ///   - architecture: of the model.
  ///   - session: device, precision and random key; its events are not told.
  /// - Returns: accuracy on the rest of the forget set, in 0...1, before and after every number of
  ///   epochs asked for; empty when the share is the whole set.
  /// - Throws: `UnlearningError.notFinite`; `TensorError`.
  public func run(_ weights: StateDict, _ architecture: Architecture, session: TrainingSession)
    throws -> [(epochs: Int, accuracy: Double, count: Int)]
  {
    let forget = input.forgetSet.forget
    let key = session.key.stream("relearn")
    let count = max(1, Int(options.share * Double(forget.count)))
    let order = try key.stream("choice").permutation(forget.count).integers().map { forget[$0] }
    let seen = Array(order.prefix(count))
    let rest = order.dropFirst(count).sorted()
    guard !rest.isEmpty else { return [] }
    let held = try input.train.subset(rest)
    let model = try architecture.build(key: key, device: session.device)
    try model.state.load(weights.pairs.map { (name: $0.0, tensor: $0.1) })
    let context = UnlearningContext(
      model: model, original: weights, input: input, session: session, mask: nil)
    let descent = try Descent(context, options.training)
    var walk = BatchWalk(
      input.train, members: seen, batchSize: options.training.batchSize, key: key.stream("order"))
    var results: [(epochs: Int, accuracy: Double, count: Int)] = []
    func measure(after epochs: Int) throws {
      let predicted = try model.predictions(of: held, input.normalization, session: session)
      let correct = zip(predicted, held.labels).count { $0 == $1 }
      results.append((epochs, Double(correct) / Double(held.count), held.count))
    }
    try measure(after: 0)
    for epoch in 0..<(options.epochs.max() ?? 0) {
      for step in 0..<walk.stepsPerEpoch {
        let batch = try walk.batch(step: epoch * walk.stepsPerEpoch + step)
        let images = try descent.images(
          batch.images, step: epoch * walk.stepsPerEpoch + step, "relearn")
        let labels = try batch.labels.to(session.device)
        _ = try descent.descend(epoch: Double(epoch)) {
          try descent.logits(images).crossEntropy(labels)
        }
      }
      if options.epochs.contains(epoch + 1) { try measure(after: epoch + 1) }
    }
    return results
  }
}
