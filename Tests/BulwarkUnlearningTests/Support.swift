import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkUnlearning

/// A small trained network on embedded digits, made once.
struct Victim {
  let original: Checkpoint
  let train: ImageDataset
  let test: ImageDataset
  let normalization: Normalize

  static let shared = Result { try Victim() }

  private init() throws {
    let bundle = try DataSource.load("digits", options: DataOptions(limit: 200, testLimit: 100))
    train = bundle.train
    test = try #require(bundle.test)
    let statistics = try train.channelStatistics()
    normalization = Normalize(mean: statistics.mean, deviation: statistics.deviation)
    var options = SupervisedOptions()
    options.epochs = 12
    options.batchSize = 25
    options.learningRate = 0.05
    options.augment = false
    let data = TrainingData(
      train: train, evaluator: Evaluator(test: nil, triggered: nil, normalization: normalization))
    let trainer = try SupervisedTrainer(
      Architecture(.smallCNN, width: 4, classes: 10, channels: 1), data: data, options: options,
      augmentation: .plain(normalize: normalization), session: TrainingSession(seed: 1))
    _ = try trainer.run()
    original = try trainer.snapshot()
  }

  /// The task of forgetting some samples, through random crops.
  func input(_ positions: [Int] = Array(stride(from: 0, to: 200, by: 8))) throws -> UnlearningInput
  {
    UnlearningInput(
      train: train, forgetSet: try ForgetSet(positions, of: train.count, origin: "test"),
      normalization: normalization, views: [.padCrop(PadCrop(padding: 1))])
  }

  /// A run with settings small enough for a test.
  func unlearner(
    _ method: UnlearningMethod, mask: MaskOptions = MaskOptions(batchSize: 10),
    options: UnlearningOptions = .small, session: TrainingSession? = nil
  ) throws -> Unlearner {
    try Unlearner(
      method, options: options, mask: mask, original: original, originalDigest: "sha256:0",
      input: input(), session: session ?? TrainingSession(seed: 4))
  }
}

extension UnlearningOptions {
  /// Two epochs of a few steps, at step sizes that change something.
  static var small: UnlearningOptions {
    var options = UnlearningOptions()
    let training = FineTuningOptions(epochs: 2, batchSize: 50, learningRate: 0.02)
    options.salun.training = training
    options.salunSoft.training = training
    options.rl.training = training
    options.ft.training = training
    options.l1Sparse.training = training
    options.ga.training = FineTuningOptions(epochs: 2, batchSize: 10, learningRate: 1e-3)
    options.neggradPlus.training = training
    options.be.training = FineTuningOptions(epochs: 2, batchSize: 10, learningRate: 1e-3)
    options.bs.training = options.be.training
    options.scrub.training = FineTuningOptions(epochs: 3, batchSize: 50, learningRate: 5e-3)
    options.scrub.forgetBatchSize = 10
    options.badTeacher.training = FineTuningOptions(
      epochs: 2, batchSize: 40, learningRate: 1e-3, weightDecay: 0)
    options.iu.samples = 20
    return options
  }
}

/// Stops a run at its n-th step.
///
/// - Returns: where it stopped, and the checkpoint that it left.
func interrupted(at count: Int, _ unlearner: (TrainingSession) throws -> Unlearner) throws -> (
  stop: TrainingInterrupted, checkpoint: Checkpoint
) {
  var saved: Checkpoint?
  var asked = 0
  let session = try TrainingSession(
    seed: 4, checkpointInterval: .infinity,
    stopRequested: {
      asked += 1
      return asked == count
    }, save: { saved = $0 })
  let stop = #expect(throws: TrainingInterrupted.self) { try unlearner(session).run() }
  return (try #require(stop), try #require(saved))
}

/// All weights and buffers as bytes.
func bytes(_ model: ImageClassifier) throws -> [String: [UInt8]] {
  Dictionary(
    uniqueKeysWithValues: try model.state.snapshot().map { name, tensor in
      (name, try tensor.withUnsafeBytes { Array($0) })
    })
}

/// The weights of a model as a dict.
func weights(_ model: ImageClassifier) throws -> StateDict {
  StateDict(try model.state.snapshot().map { ($0.name, $0.tensor) })
}

/// Holds what the tests of this process write; removed when the process ends.
private let temporaryRoot: URL = {
  atexit { try? FileManager.default.removeItem(at: temporaryRoot) }
  return FileManager.default.temporaryDirectory.appendingPathComponent(
    "bulwark-unlearning-\(UUID().uuidString)")
}()

/// A path in a folder of its own that lasts as long as the process.
func temporaryFile(_ name: String) throws -> String {
  let folder = temporaryRoot.appendingPathComponent(UUID().uuidString)
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  return folder.appendingPathComponent(name).path
}
