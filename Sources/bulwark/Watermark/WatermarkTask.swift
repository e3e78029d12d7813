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
  /// The trained model that is to be marked; nil where none is given.
  let start: LoadedModel?
  private let precision: Precision
  private let interval: Double

  /// Reads the images and finds the device; with a `checkpoint` its model, whose pixels are normalized as it wants them.
  init(
    data settings: TrainRecipe.DataSettings, augmentation views: TrainRecipe.AugmentationSettings,
    device name: String, threads: Int, precision: Precision, interval: Double,
    checkpoint: String = "", skipBad: Bool, console: Console
  ) throws {
    let runtime = try Runtime.shared()
    if threads > 0 { try runtime.setThreadCount(threads) }
    device = try Device(parsing: name)
    bundle = try console.load(settings.path, options: settings.loadOptions(skipBad: skipBad))
    start = checkpoint.isEmpty ? nil : try LoadedModel(checkpoint, device: device, console: console)
    try start?.check(bundle.train, path: settings.path)
    let normalize = try start?.normalization ?? bundle.train.normalization()
    data = TrainingData(
      train: bundle.train,
      evaluator: Evaluator(test: bundle.test, triggered: nil, normalization: normalize))
    augmentation = AugmentationPipeline(views.weakSteps + [.normalize(normalize)])
    self.precision = precision
    self.interval = interval
  }

  /// Reads what a verification needs.
  init(_ recipe: WatermarkVerifyRecipe, skipBad: Bool, console: Console) throws {
    try self.init(
      data: recipe.data, augmentation: recipe.augmentation, device: recipe.device,
      threads: recipe.threads, precision: recipe.precision, interval: recipe.checkpointInterval,
      skipBad: skipBad, console: console)
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

  /// Null models as a recipe asks for them.
  ///
  /// - Parameters:
  ///   - recipe: of a verification.
  ///   - suspect: the suspect's architecture; nil for one that is only served.
  /// - Returns: the population, of which nothing is trained yet.
  /// - Throws: `RecipeError` where the recipe must name a network.
  func population(_ recipe: WatermarkVerifyRecipe, of suspect: Architecture?) throws
    -> NullPopulation
  {
    NullPopulation(
      try recipe.nulls.architecture(of: suspect, for: data.train), data: data,
      training: recipe.nulls.training, augmentation: augmentation, count: recipe.nulls.count,
      draw: recipe.nulls.draw, folder: recipe.cache)
  }

  /// Checks what every watermark recipe has.
  ///
  /// - Throws: `RecipeError.setting`.
  static func validate(threads: Int, interval: Double) throws {
    let check = SettingCheck()
    try check.whole("threads", threads, in: 0...4096)
    try check.number("checkpoint_interval", interval)
  }
}
