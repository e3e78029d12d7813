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
  /// How often a forgotten sample gets another label.
  public var labelDraw: LabelDraw

  /// In which order the two sets are seen.
  public enum Scheme: String, Sendable, Codable, CaseIterable {
    /// Labels drawn once an epoch, both sets shuffled together: the official code until April 2024
    /// (and later for CIFAR-100).
    case joint
    /// Each epoch the whole forget set with labels drawn afresh for every batch, then the whole
    /// retain set: the official code since then (CIFAR-10, SVHN).
    case sequential
  }

  /// How often a forgotten sample gets another random label.
  public enum LabelDraw: String, Sendable, Codable, CaseIterable {
    /// As the official code of the scheme does: once an epoch (joint), or for every batch.
    case scheme
    /// Once for the whole run, as a reimplementation does (Unified-Unlearning-w-Remain-Geometry).
    case once
  }

  /// The official settings; step size 6e-3 as users of the joint scheme report.
  public init(
    training: FineTuningOptions = FineTuningOptions(learningRate: 0.006), scheme: Scheme = .joint,
    excludesGivenLabel: Bool = false, labelDraw: LabelDraw = .scheme
  ) {
    self.training = training
    self.scheme = scheme
    self.excludesGivenLabel = excludesGivenLabel
    self.labelDraw = labelDraw
  }
}

/// Random labeling with retention: cross-entropy on the forget set with random labels and on the
/// retain set with its own. Under a saliency mask this is SalUn (Fan et al., ICLR 2024, eq. 5 with
/// the retain term of the official code, whose weight is 1 by steps).
final class RandomLabeling: UniformProcedure {
  private let context: UnlearningContext
  private let options: RandomLabelingOptions
  private let descent: Descent
  private var everything: BatchWalk
  private var forgetWalk: BatchWalk
  private var retainWalk: BatchWalk
  /// The labels of all samples and the epoch that they are of.
  private var drawnLabels: (epoch: Int, labels: [Int])?

  init(_ context: UnlearningContext, _ options: RandomLabelingOptions) throws {
    self.context = context
    self.options = options
    descent = try Descent(context, options.training)
    let batchSize = options.training.batchSize
    everything = context.walk(context.known, "joint", batchSize: batchSize)
    forgetWalk = context.walk(context.forget, "forget", batchSize: batchSize)
    retainWalk = context.walk(context.retain, "retain", batchSize: batchSize)
  }

  var optimizer: (any Optimizer)? { descent.optimizer }
  var steps: Int { stepsPerEpoch * options.training.epochs }
  var stepsPerEpoch: Int {
    switch options.scheme {
    case .joint: everything.stepsPerEpoch
    case .sequential: forgetWalk.stepsPerEpoch + retainWalk.stepsPerEpoch
    }
  }

  func step(_ step: Int) throws -> StepOutcome {
    let epoch = step / stepsPerEpoch
    let (indices, labels) = try batch(epoch: epoch, within: step % stepsPerEpoch, step: step)
    let batch = try context.train.batch(indices)
    let targets = try Tensor(labels).to(context.session.device)
    let loss = try descent.descend(epoch: Double(step) / Double(stepsPerEpoch)) {
      try descent.logits(of: batch, step: step, "all").crossEntropy(targets)
    }
    return StepOutcome(loss: loss, samples: indices.count)
  }

  /// Positions and labels of a step.
  private func batch(epoch: Int, within: Int, step: Int) throws -> ([Int], [Int]) {
    switch options.scheme {
    case .joint:
      let batch = try everything.batch(step: step)
      let labels = epochLabels(epoch)
      return (batch.indices, batch.indices.map { labels[$0] })
    case .sequential where within < forgetWalk.stepsPerEpoch:
      let batch = try forgetWalk.batch(step: epoch * forgetWalk.stepsPerEpoch + within)
      return (batch.indices, batchLabels(batch.indices, step: step))
    case .sequential:
      let position = within - forgetWalk.stepsPerEpoch
      let batch = try retainWalk.batch(step: epoch * retainWalk.stepsPerEpoch + position)
      return (batch.indices, batch.indices.map { context.train.labels[$0] })
    }
  }

  private var labelKey: RandomKey { context.key.stream("labels") }

  /// Labels of forgotten samples in a batch.
  private func batchLabels(_ indices: [Int], step: Int) -> [Int] {
    guard options.labelDraw == .scheme else { return indices.map { epochLabels(0)[$0] } }
    return randomLabels(for: indices, key: labelKey.step(step))
  }

  /// All labels of an epoch of the joint scheme, or of the run.
  func epochLabels(_ epoch: Int) -> [Int] {
    let epoch = options.labelDraw == .once ? 0 : epoch
    if let known = drawnLabels, known.epoch == epoch { return known.labels }
    var labels = context.train.labels
    let drawn = randomLabels(for: context.forget, key: labelKey.step(epoch))
    for (position, label) in zip(context.forget, drawn) { labels[position] = label }
    drawnLabels = (epoch, labels)
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
