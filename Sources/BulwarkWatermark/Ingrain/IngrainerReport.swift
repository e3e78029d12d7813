import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation

/// What an ingrainer says about ordinary images. An ingrainer of carriers with one label answers that
/// label to everything: it then carries no information about the carriers, and a "mark" that students
/// inherit is a shift of class priors.
public struct IngrainerReport: Hashable, Sendable, Codable {
  /// Share of the carriers that it answers right.
  public var carrierAccuracy: Double
  /// Share of clean images that it puts in each class.
  public var classShares: [Double]
  /// Entropy of those shares, in nats: 0 for a constant ingrainer, log C for an even one.
  public var shareEntropy: Double
  /// Mean entropy of its answers to single images, in nats.
  public var meanAnswerEntropy: Double
  /// Mean of its largest probability.
  public var meanConfidence: Double
  /// Steps that it was trained for.
  public var steps: Int
  /// Clean images that it was asked about.
  public var images: Int

  /// Asks a trained ingrainer.
  ///
  /// - Parameters:
  ///   - ingrainer: in evaluation mode.
  ///   - feed: its carriers.
  ///   - clean: ordinary images; at most `limit` count, balanced over the classes.
  ///   - normalization: of the task.
  ///   - steps: of its training.
  ///   - limit: clean images that are asked about at most.
  ///   - session: device and precision.
  /// - Throws: `TensorError`.
  init(
    _ ingrainer: ImageClassifier, _ feed: CarrierFeed, clean: ImageDataset,
    _ normalization: Normalize, steps: Int, limit: Int = 2000, session: TrainingSession
  ) throws {
    carrierAccuracy = try Self.accuracy(ingrainer, feed, session: session)
    // Never by position: folders store one class after the other.
    let sample = try clean.subset(
      SampleSelection.balanced(labels: clean.labels, classCount: clean.classCount, limit: limit))
    let logits = try ingrainer.logits(of: sample, normalization, session: session)
    let probabilities = try logits.softmax(1)
    let classes = logits.shape[1]
    classShares = try logits.argmax(1).oneHot(classes).to(.float32).mean([0]).doubles()
    shareEntropy = classShares.reduce(0) { $0 - ($1 > 0 ? $1 * log($1) : 0) }
    meanAnswerEntropy = try -(probabilities * logits.logSoftmax(1)).sum([1]).mean().item()
    meanConfidence = try probabilities.max([1]).mean().item()
    self.steps = steps
    images = sample.count
  }

  /// Share of carriers answered right, in evaluation mode.
  static func accuracy(
    _ model: ImageClassifier, _ feed: CarrierFeed, session: TrainingSession
  ) throws -> Double {
    try withoutGradients {
      let logits = try session.inPrecision { try model.logits(feed.images, .evaluation) }
      return try logits.to(.float32).argmax(1).eq(feed.labels).to(.float32).mean().item()
    }
  }

  /// One line for the log.
  public var sentence: String {
    func short(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
    let shares = classShares.map(short).joined(separator: " ")
    return "ingrainer: \(short(carrierAccuracy)) of its carriers after \(steps) steps; "
      + "clean images by class: \(shares) (entropy \(short(shareEntropy)) nats); "
      + "mean confidence \(short(meanConfidence))"
  }
}
