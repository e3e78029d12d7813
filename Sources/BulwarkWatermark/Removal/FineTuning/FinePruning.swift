import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Settings of fine-pruning.
public struct FinePruningOptions: Hashable, Sendable, Codable {
  /// Optimizer, epochs, images of the fine-tuning.
  public var training: AttackTraining
  /// Share of the channels that go, 0..<1.
  public var share: Double

  /// The SoK toolbox's settings: 96 % of the channels, 10 epochs.
  public init(training: AttackTraining = AttackTraining(epochs: 10), share: Double = 0.96) {
    self.training = training
    self.share = share
  }
}

/// Fine-pruning (Liu et al. 2018): the channels of the last feature layer that clean images excite least
/// are cut off, and the rest is fine-tuned.
///
/// A channel of the last feature layer is seen by the last linear layer only, so its column there is set
/// to 0 and held at 0 during the fine-tuning, which is the same as masking the channel. The SoK toolbox
/// prunes layer 2 or 3 of a three-stage ResNet; layer 3 is this one.
public struct FinePruning: ResumableRemovalAttack, DescribedRemovalAttack {
  /// Name in results.
  public let name: String
  /// Settings.
  public let options: FinePruningOptions
  private let environment: RemovalEnvironment

  /// The attack with these settings.
  ///
  /// - Throws: `RecipeError.setting`.
  public init(
    _ options: FinePruningOptions = FinePruningOptions(), name: String = "fine_pruning",
    environment: RemovalEnvironment = RemovalEnvironment()
  ) throws {
    try options.training.validate(name)
    try SettingCheck(name).number("share", options.share, to: 1, isBelow: true)
    self.options = options
    self.name = name
    self.environment = environment
  }

  /// Every setting.
  public var settings: JSONValue {
    ["fine_pruning": SettingsJSON.of(options)]
  }

  /// Nothing beyond the settings.
  public var remark: String { "" }

  /// Whether its images are other ones than the owner's.
  public var needsOtherImages: Bool { options.training.images == .other }

  /// Prunes and trains a copy of the stolen model, or finishes one.
  public func surrogate(
    of model: ImageClassifier, data: TrainingData, session: TrainingSession,
    resuming checkpoint: Checkpoint?
  ) throws -> ImageClassifier {
    let images = try environment.images(data, options.training, attack: name)
    let surrogate = try model.surrogateCopy(on: session.device)
    let kept = try keptChannels(of: surrogate, images, data.normalization, session)
    let mask = try Tensor(kept.map { Float($0 ? 1 : 0) }, shape: [1, kept.count])
      .to(session.device)
    func prune() throws {
      try withoutGradients {
        try surrogate.head.weight.copy(from: surrogate.head.weight * mask)
      }
    }
    try prune()
    var task = try SurrogateTrainer.Task.fineTuning(
      surrogate, by: self, digest: model.weightDigest(), training: options.training,
      images: images, environment: environment, normalization: data.normalization,
      session: session)
    task.afterUpdate = prune
    try SurrogateTrainer(surrogate, task, session: session).run(resuming: checkpoint)
    return surrogate
  }

  /// Which channels stay: all but the floor(D · share) with the lowest mean activation.
  private func keptChannels(
    of model: ImageClassifier, _ images: ImageDataset, _ normalization: Normalize,
    _ session: TrainingSession
  ) throws -> [Bool] {
    let order = try withoutGradients {
      var sum = try Tensor.zeros([model.backbone.featureCount], device: session.device)
      for start in stride(from: 0, to: images.count, by: 256) {
        let length = min(256, images.count - start)
        let pixels = try images.images.narrow(0, start: start, length: length)
        let input = try normalization.prepare(pixels, on: session.device)
        let features = try session.inPrecision { try model.features(input, .evaluation) }
        sum = try sum + features.to(.float32).sum([0])
      }
      return try sum.argsort(0).integers()
    }
    var kept = [Bool](repeating: true, count: order.count)
    for channel in order.prefix(Int(options.share * Double(order.count))) { kept[channel] = false }
    return kept
  }
}
