import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkWatermark

/// A small network on embedded digits that has learned a trigger set too, made once: 24 noise pictures
/// with random labels, each several times among the training images.
struct StolenModel: Sendable {
  let checkpoint: Checkpoint
  let data: TrainingData
  /// Digits of the same classes that the model was not trained on.
  let others: ImageDataset
  let carriers: ImageDataset
  /// Other noise pictures with other random labels.
  let foreignCarriers: ImageDataset

  static let shared = Result { try StolenModel() }

  private init() throws {
    let bundle = try DataSource.load("digits", options: DataOptions(limit: 600, testLimit: 150))
    let halves = SampleSelection.split(
      labels: bundle.train.labels, classCount: 10, testFraction: 0.5)
    let own = try bundle.train.subset(halves.train)
    others = try bundle.train.subset(halves.test)
    let statistics = try own.channelStatistics()
    let normalization = Normalize(mean: statistics.mean, deviation: statistics.deviation)
    data = TrainingData(
      train: own,
      evaluator: Evaluator(test: bundle.test, triggered: nil, normalization: normalization))
    let carriers = try Self.noise(24, seed: 7, like: own)
    self.carriers = carriers
    foreignCarriers = try Self.noise(24, seed: 8, like: own)

    var options = SupervisedOptions()
    options.epochs = 12
    options.batchSize = 32
    options.learningRate = 0.05
    options.augment = false
    let copies = (0..<4).flatMap { _ in 0..<24 }
    let marked = try ImageDataset(
      images: Tensor.cat([own.images] + [carriers.images.indexSelect(0, Tensor(copies))]),
      labels: own.labels + copies.map { carriers.labels[$0] }, classNames: own.classNames)
    let trainer = try SupervisedTrainer(
      Architecture(.smallCNN, width: 8, classes: 10, channels: 1),
      data: TrainingData(train: marked, evaluator: data.evaluator), options: options,
      augmentation: .plain(normalize: normalization), session: TrainingSession(seed: 1))
    _ = try trainer.run()
    checkpoint = try trainer.snapshot()
  }

  private static func noise(_ count: Int, seed: UInt64, like set: ImageDataset) throws
    -> ImageDataset
  {
    let key = RandomKey(seed: seed)
    return try ImageDataset(
      images: key.stream("pixels").integers(
        [count, set.channels, set.height, set.width], below: 256
      ).to(.uint8), labels: key.stream("labels").integers([count], below: 10).integers(),
      classNames: set.classNames)
  }

  /// A model of its own for every test.
  func model() throws -> ImageClassifier { try ImageClassifier.restored(from: checkpoint) }

  var environment: RemovalEnvironment {
    RemovalEnvironment(views: [.padCrop(PadCrop(padding: 1))], otherImages: others)
  }

  /// An attack by its text.
  func attack(_ text: String) throws -> any RemovalAttack {
    try RemovalRegistry.standard.attack(text, environment: environment)
  }

  /// The surrogate of an attack by its text.
  func surrogate(_ text: String, seed: UInt64 = 3) throws -> ImageClassifier {
    try attack(text).surrogate(of: model(), data: data, session: TrainingSession(seed: seed))
  }

  /// Share of the carriers that a model answers as the key says.
  func survival(_ model: ImageClassifier) throws -> Double {
    try #require(try score(carriers).score(model, session: TrainingSession(seed: 0)))
  }

  /// The statistic of a trigger set: the share of right answers.
  func score(_ set: ImageDataset) -> CarrierScore {
    CarrierScore(CarrierSet(set), normalization: data.normalization, access: .labels)
  }

  /// Share of the test images that a model answers rightly.
  func accuracy(_ model: ImageClassifier) throws -> Double {
    try #require(try data.evaluator.measure(model, session: TrainingSession(seed: 0)).first).value
  }
}

/// All weights and buffers as bytes.
func weightBytes(_ model: ImageClassifier) throws -> [String: [UInt8]] {
  Dictionary(
    uniqueKeysWithValues: try model.state.snapshot().map { name, tensor in
      (name, try tensor.withUnsafeBytes { Array($0) })
    })
}

/// A folder that goes away with its owner.
final class ScratchFolder: Sendable {
  let path: String

  init() throws {
    path =
      FileManager.default.temporaryDirectory.appendingPathComponent(
        "bulwark-removal-\(UUID().uuidString)"
      ).path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }
}
