import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import BulwarkWatermark

/// Images and device of a watermark command: what `embed` and `verify` share.
struct WatermarkTask {
  let device: Device
  let bundle: DataBundle
  let data: TrainingData
  let augmentation: AugmentationPipeline
  private let precision: Precision
  private let interval: Double

  /// Reads the images and finds the device.
  init(
    data settings: TrainRecipe.DataSettings, augmentation views: TrainRecipe.AugmentationSettings,
    device name: String, threads: Int, precision: Precision, interval: Double, skipBad: Bool,
    console: Console
  ) throws {
    let runtime = try Runtime.shared()
    if threads > 0 { try runtime.setThreadCount(threads) }
    device = try Device(parsing: name)
    bundle = try console.load(settings.path, options: settings.loadOptions(skipBad: skipBad))
    let statistics = try bundle.train.channelStatistics()
    let normalize = Normalize(mean: statistics.mean, deviation: statistics.deviation)
    data = TrainingData(
      train: bundle.train,
      evaluator: Evaluator(test: bundle.test, triggered: nil, normalization: normalize))
    augmentation = AugmentationPipeline(views.weakSteps + [.normalize(normalize)])
    self.precision = precision
    self.interval = interval
  }

  /// A session that tells `events` and writes checkpoints with `save`.
  func session(
    seed: UInt64, events: (any EventSink)?, stopRequested: @escaping () -> Bool = { false },
    save: ((Checkpoint) throws -> Void)? = nil
  ) throws -> TrainingSession {
    try TrainingSession(
      seed: seed, device: device, precision: precision, events: events,
      checkpointInterval: interval, stopRequested: stopRequested, save: save)
  }

  static func validate(
    threads: Int, interval: Double, model: TrainRecipe.ModelSettings
  ) throws {
    func require(_ holds: Bool, _ key: String, _ expected: String) throws {
      if !holds { throw RecipeError.unfit(cause: "\(key) must be \(expected)") }
    }
    try require(threads >= 0, "threads", "0 or more")
    try require(interval >= 0, "checkpoint_interval", "0 or more seconds")
    try require(model.width >= 1, "model.width", "at least 1")
  }

  static func validate(_ training: SupervisedOptions) throws {
    func require(_ holds: Bool, _ key: String, _ expected: String) throws {
      if !holds { throw RecipeError.unfit(cause: "training.\(key) must be \(expected)") }
    }
    try require(training.epochs >= 1, "epochs", "at least 1")
    try require(training.batchSize >= 1, "batch_size", "at least 1")
    try require(training.learningRate > 0, "learning_rate", "above 0")
    try require(
      (0..<1).contains(training.labelSmoothing), "label_smoothing", "at least 0 and below 1")
  }
}
