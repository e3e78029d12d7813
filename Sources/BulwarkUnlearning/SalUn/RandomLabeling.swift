import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Settings of random labeling, and so of SalUn.
public struct RandomLabelingOptions: Hashable, Sendable, Codable {
  /// Optimizer, epochs and step size.
  public var training: FineTuningOptions
  /// In which order the two sets are seen.
  public var scheme: Scheme
  /// Whether the random label is never the given one: the paper's form. The official code draws from
  /// all classes.
  public var excludesGivenLabel: Bool
  /// Forgotten samples in a batch of the mixed scheme, as a share of it, above 0 and below 1.
  public var forgetShare: Double

  /// In which order the two sets are seen.
  public enum Scheme: String, Sendable, Codable, CaseIterable {
    /// Labels drawn once an epoch, both sets shuffled together: the official code until April 2024
    /// (and later for CIFAR-100).
    case joint
    /// Each epoch the whole forget set with labels drawn afresh for every batch, then the whole
    /// retain set: the official code since then (CIFAR-10, SVHN).
    case sequential
    /// Batches of both sets in a fixed proportion (`forgetShare`), labels drawn afresh for every
    /// batch; an epoch has as many steps as one of the joint scheme. Bulwark's own: where only a few
    /// epochs are affordable, the forget set is seen as often as needed and the retain set less.
    case mixed
  }

  /// The official settings; step size 6e-3 as users of the joint scheme report.
  public init(
    training: FineTuningOptions = FineTuningOptions(learningRate: 0.006), scheme: Scheme = .joint,
    excludesGivenLabel: Bool = false, forgetShare: Double = 0.25
  ) {
    self.training = training
    self.scheme = scheme
    self.excludesGivenLabel = excludesGivenLabel
    self.forgetShare = forgetShare
  }
}

/// Random labeling with retention: cross-entropy on the forget set with random labels and on the
/// retain set with its own. Under a saliency mask this is SalUn (Fan et al., ICLR 2024, eq. 5 with
/// the retain term of the official code, whose weight is 1 by steps).
final class RandomLabeling: UnlearningProcedure {
  private let context: UnlearningContext
  private let options: RandomLabelingOptions
  private let descent: Descent
  private var everything: BatchWalk
  private var forgetWalk: BatchWalk
  private var retainWalk: BatchWalk
  /// The labels of the joint scheme and the epoch that they are of.
  private var jointLabels: (epoch: Int, labels: [Int])?

  init(_ context: UnlearningContext, _ options: RandomLabelingOptions) throws {
    self.context = context
    self.options = options
    descent = try Descent(context, options.training)
    let batchSize = options.training.batchSize
    everything = context.walk(nil, "joint", batchSize: batchSize)
    var forgotten = batchSize
    var retained = batchSize
    if options.scheme == .mixed {
      forgotten = max(1, Int((options.forgetShare * Double(batchSize)).rounded()))
      retained = max(1, batchSize - forgotten)
    }
    let isMixed = options.scheme == .mixed
    forgetWalk = context.walk(context.forget, "forget", batchSize: forgotten, dropLast: isMixed)
    retainWalk = context.walk(context.retain, "retain", batchSize: retained, dropLast: isMixed)
  }

  var optimizer: (any Optimizer)? { descent.optimizer }
  var steps: Int { stepsPerEpoch * options.training.epochs }
  var stepsPerEpoch: Int {
    switch options.scheme {
    case .joint, .mixed: everything.stepsPerEpoch
    case .sequential: forgetWalk.stepsPerEpoch + retainWalk.stepsPerEpoch
    }
  }

  func step(_ step: Int) throws -> StepOutcome {
    let epoch = step / stepsPerEpoch
    let (indices, labels) = try batch(epoch: epoch, within: step % stepsPerEpoch, step: step)
    let batch = try context.train.batch(indices)
    let images = try descent.images(batch.images, step: step, "all")
    let targets = try Tensor(labels).to(context.session.device)
    let loss = try descent.descend(epoch: Double(step) / Double(stepsPerEpoch)) {
      try descent.logits(images).crossEntropy(targets)
    }
    return StepOutcome(loss: loss, samples: indices.count)
  }

  /// Positions and labels of a step.
  private func batch(epoch: Int, within: Int, step: Int) throws -> ([Int], [Int]) {
    switch options.scheme {
    case .joint:
      let batch = try everything.batch(step: step)
      let labels = labels(epoch: epoch)
      return (batch.indices, batch.indices.map { labels[$0] })
    case .mixed:
      let forgotten = try forgetWalk.batch(step: step).indices
      let retained = try retainWalk.batch(step: step).indices
      return (
        forgotten + retained,
        randomLabels(for: forgotten, key: labelKey.step(step))
          + retained.map { context.train.labels[$0] }
      )
    case .sequential where within < forgetWalk.stepsPerEpoch:
      let batch = try forgetWalk.batch(step: epoch * forgetWalk.stepsPerEpoch + within)
      return (batch.indices, randomLabels(for: batch.indices, key: labelKey.step(step)))
    case .sequential:
      let position = within - forgetWalk.stepsPerEpoch
      let batch = try retainWalk.batch(step: epoch * retainWalk.stepsPerEpoch + position)
      return (batch.indices, batch.indices.map { context.train.labels[$0] })
    }
  }

  private var labelKey: RandomKey { context.key.stream("labels") }

  /// All labels of an epoch of the joint scheme.
  private func labels(epoch: Int) -> [Int] {
    if let known = jointLabels, known.epoch == epoch { return known.labels }
    var labels = context.train.labels
    let drawn = randomLabels(for: context.forget, key: labelKey.step(epoch))
    for (position, label) in zip(context.forget, drawn) { labels[position] = label }
    jointLabels = (epoch, labels)
    return labels
  }

  /// One label for each sample, uniform over all classes, or over all but its own.
  func randomLabels(for indices: [Int], key: RandomKey) -> [Int] {
    let classes = context.train.classCount
    var generator = key.generator()
    return indices.map { index in
      guard options.excludesGivenLabel, classes > 1 else {
        return Int.random(in: 0..<classes, using: &generator)
      }
      let drawn = Int.random(in: 0..<classes - 1, using: &generator)
      return drawn < context.train.labels[index] ? drawn : drawn + 1
    }
  }
}
