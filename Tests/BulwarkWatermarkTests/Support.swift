import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkWatermark

/// A task that a tiny network learns in a second: 300 embedded digits.
struct TinyTask {
  let data: TrainingData
  let architecture = Architecture(.smallCNN, width: 8, classes: 10, channels: 1)
  let augmentation: AugmentationPipeline

  static let shared = Result { try TinyTask() }

  private init() throws {
    let bundle = try DataSource.load("digits", options: DataOptions(limit: 300, testLimit: 100))
    let statistics = try bundle.train.channelStatistics()
    let normalization = Normalize(mean: statistics.mean, deviation: statistics.deviation)
    data = TrainingData(
      train: bundle.train,
      evaluator: Evaluator(test: bundle.test, triggered: nil, normalization: normalization))
    augmentation = AugmentationPipeline([
      .padCrop(PadCrop(padding: 1)), .normalize(normalization),
    ])
  }

  /// A few epochs of small batches.
  func training(epochs: Int = 8) -> SupervisedOptions {
    var training = SupervisedOptions()
    training.epochs = epochs
    training.batchSize = 25
    training.learningRate = 0.1
    training.augment = false
    return training
  }

  func mark(_ scheme: WatermarkScheme, _ options: WatermarkOptions) throws -> MarkDescription {
    MarkDescription(
      scheme: scheme,
      carriers: scheme.hasCarriers ? options.carriers.resolved(scheme.ownFamily) : nil,
      bits: scheme == .uchida ? try options.uchida.place(in: architecture) : nil,
      signal: scheme == .coswm ? options.coswm.keySignal : nil)
  }

  func key(_ scheme: WatermarkScheme, _ options: WatermarkOptions, index: Int = 0) throws
    -> WatermarkKey
  {
    try WatermarkKey(
      secret: .published("test owner", index), owner: "owner", mark: mark(scheme, options),
      train: data.train)
  }

  func trainer(
    _ scheme: WatermarkScheme, _ options: WatermarkOptions, epochs: Int = 8, index: Int = 0,
    session: TrainingSession? = nil, start: ImageClassifier? = nil
  ) throws -> HostTrainer {
    try HostTrainer(
      architecture, key: key(scheme, options, index: index), data: data, options: options,
      training: training(epochs: epochs), augmentation: augmentation,
      session: session ?? TrainingSession(seed: 5), start: start)
  }

  /// A model without any mark.
  func unmarked(seed: UInt64, epochs: Int = 6) throws -> ImageClassifier {
    let trainer = try SupervisedTrainer(
      architecture, data: data, options: training(epochs: epochs), augmentation: augmentation,
      session: TrainingSession(seed: seed))
    _ = try trainer.run()
    return trainer.model
  }
}

extension WatermarkOptions {
  /// Settings for networks that are trained for seconds.
  static var small: WatermarkOptions {
    var options = WatermarkOptions()
    options.carriers.count = 30
    options.carriers.patches = 15
    options.ingrain.ingrainerSteps = 40
    options.ingrain.ingrainerBatchSize = 30
    options.uchida = UchidaOptions(bits: 16, weight: 0.1)
    options.margin.carriersPerBatch = 10
    options.margin.weight = 1
    options.ewe.cleanBatches = 2
    options.rehearsed.restartEpochs = 2
    options.rehearsed.examCarriers = 15
    // What stolen weights show can only be in the network itself.
    options.coswm = CosineOptions(signal: CosineSignal(frequency: 3, grid: 2), served: false)
    return options
  }
}

/// All weights and buffers as bytes.
func bytes(_ model: ImageClassifier) throws -> [[UInt8]] {
  try model.state.snapshot().map { try $0.tensor.withUnsafeBytes { Array($0) } }
}

/// Keeps what a run tells.
final class EventLog: EventSink {
  private(set) var stages: [(name: String, step: Int, steps: Int)] = []
  private(set) var steps: [(stage: String, step: Int, steps: Int, samples: Int)] = []
  private(set) var notes: [String] = []

  func receive(_ event: TrainingEvent) {
    switch event {
    case .stage(let name, let step, let steps): stages.append((name, step, steps))
    case .step(let stage, let step, let steps, let samples):
      self.steps.append((stage, step, steps, samples))
    case .note(let text): notes.append(text)
    case .metric: break
    }
  }
}

/// A folder that goes away with its owner.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/bulwark-watermark-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }
}
