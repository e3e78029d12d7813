import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Settings of fine-tuning a stolen model.
public struct FineTuningAttackOptions: Hashable, Sendable, Codable {
  /// Optimizer, epochs, images.
  public var training: AttackTraining
  /// Which weights are trained.
  public var layers: Layers
  /// Whether the last layer starts from fresh weights.
  public var resetLast: Bool
  /// Whose labels are learned.
  public var labels: Labels
  /// Share of the target probability that is spread over all classes, 0...1.
  public var smoothing: Double
  /// Weight of an L2 penalty λ/2 · Σ w² on every trained weight: coupled weight decay. A setting of its
  /// own beside `training.weightDecay`, because it is the attack and not a habit.
  public var l2: Double

  /// Which weights are trained.
  public enum Layers: String, Sendable, Codable, CaseIterable {
    /// The last linear layer; everything else keeps every bit, running statistics too.
    case last
    /// All.
    case all
  }

  /// Whose labels are learned.
  public enum Labels: String, Sendable, Codable, CaseIterable {
    /// Those of the attacker's images.
    case given
    /// The stolen model's most probable class, asked once and without random views.
    case teacher
  }

  /// The defaults are those of FTAL: all layers, given labels.
  public init(
    training: AttackTraining = AttackTraining(epochs: 5), layers: Layers = .all,
    resetLast: Bool = false, labels: Labels = .given, smoothing: Double = 0, l2: Double = 0
  ) {
    self.training = training
    self.layers = layers
    self.resetLast = resetLast
    self.labels = labels
    self.smoothing = smoothing
    self.l2 = l2
  }

  /// FTLL: the last layer is trained on, 5 epochs, given labels.
  public static let ftll = FineTuningAttackOptions(layers: .last)
  /// FTAL: all layers are trained on, 5 epochs, given labels.
  public static let ftal = FineTuningAttackOptions()
  /// RTLL: the last layer starts anew and alone is trained, 10 epochs, the stolen model's labels.
  public static let rtll = FineTuningAttackOptions(
    training: AttackTraining(epochs: 10), layers: .last, resetLast: true, labels: .teacher)
  /// RTAL: the last layer starts anew and all are trained, 5 epochs, the stolen model's labels.
  public static let rtal = FineTuningAttackOptions(resetLast: true, labels: .teacher)
  /// The strong fine-tuning of Gan et al. (ICCV 2023): 30 epochs, step size 0.05 halved every 5
  /// epochs, a fifth of the images.
  public static let strong = FineTuningAttackOptions(
    training: AttackTraining(
      epochs: 30, batchSize: 128, learningRate: 0.05, schedule: .halving, imageShare: 0.2))
  /// Label smoothing 0.3, 5 epochs, at ten times the step size of the others, as in the SoK toolbox.
  public static let labelSmoothing = FineTuningAttackOptions(
    training: AttackTraining(epochs: 5, learningRate: 1e-2), smoothing: 0.3)
  /// L2 0.1, 5 epochs, the stolen model's labels; the SoK toolbox then fine-tunes (`l2+ftal`).
  public static let l2 = FineTuningAttackOptions(labels: .teacher, l2: 0.1)

  /// Checks what would otherwise go wrong deep inside a run.
  func validate(_ attack: String) throws {
    try training.validate(attack)
    let check = SettingCheck(attack)
    try check.number("smoothing", smoothing, to: 1)
    try check.number("l2", l2)
  }
}

/// Fine-tuning in all its forms: FTLL, FTAL, RTLL, RTAL, strong, with label smoothing, with an L2
/// penalty.
///
/// Source: Adi et al. 2018 (the four forms), the SoK toolbox's configurations (epochs, batch, step size,
/// labels), Gan et al. 2023 (`strong`). The toolbox does not say which optimizer its default is; here it
/// is SGD with momentum 0.9.
public struct FineTuningAttack: ResumableRemovalAttack, DescribedRemovalAttack {
  /// Name in results.
  public let name: String
  /// Settings.
  public let options: FineTuningAttackOptions
  private let environment: RemovalEnvironment

  /// The attack with these settings.
  ///
  /// - Throws: `RecipeError.setting`.
  public init(
    _ options: FineTuningAttackOptions, name: String,
    environment: RemovalEnvironment = RemovalEnvironment()
  ) throws {
    try options.validate(name)
    self.options = options
    self.name = name
    self.environment = environment
  }

  /// Every setting.
  public var settings: JSONValue {
    ["fine_tuning": SettingsJSON.of(options)]
  }

  /// Whose labels were learned.
  public var remark: String {
    options.labels == .teacher ? "labels asked of the stolen model once, without random views" : ""
  }

  /// Whether its images are other ones than the owner's.
  public var needsOtherImages: Bool { options.training.images == .other }

  /// As the settings say.
  public var resetsLastLayer: Bool { options.resetLast }

  /// Trains a copy of the stolen model, or finishes one.
  public func surrogate(
    of model: ImageClassifier, data: TrainingData, session: TrainingSession,
    resuming checkpoint: Checkpoint?
  ) throws -> ImageClassifier {
    let images = try environment.images(data, options.training, attack: name)
    let digest = try model.weightDigest()
    let surrogate = try model.surrogateCopy(on: session.device)
    if options.resetLast { try Self.resetLast(surrogate, key: session.key) }
    let answers = try teacherLabels(model, digest, images, data.normalization, session)
    var training = options.training
    training.weightDecay += options.l2
    let onlyLast = options.layers == .last
    var task = try SurrogateTrainer.Task.fineTuning(
      surrogate, by: self, digest: digest, training: training, images: images,
      environment: environment, normalization: data.normalization, session: session)
    if onlyLast { task.moving.removeAll { !surrogate.isHead($0.name) } }
    task.loss = { step in
      let logits = try session.inPrecision {
        try onlyLast
          ? surrogate.head(withoutGradients { try surrogate.features(step.input, .evaluation) })
          : surrogate.logits(step.input, .training)
      }
      let labels = try answers?.indexSelect(0, Tensor(step.indices).to(session.device))
      return try logits.to(.float32).crossEntropy(
        labels ?? step.labels, labelSmoothing: options.smoothing)
    }
    try SurrogateTrainer(surrogate, task, session: session).run(resuming: checkpoint)
    return surrogate
  }

  /// [N], int64, on the session's device; nil where given labels are learned.
  private func teacherLabels(
    _ model: ImageClassifier, _ digest: String, _ images: ImageDataset,
    _ normalization: Normalize, _ session: TrainingSession
  ) throws -> Tensor? {
    guard options.labels == .teacher else { return nil }
    return try environment.answers.logits(
      of: model, digest: digest, on: images, in: nil, view: 0, normalization, session: session
    ).argmax(1).to(session.device)
  }

  /// Draws the last layer anew: uniform in ±1/√in, PyTorch's default.
  static func resetLast(_ model: ImageClassifier, key: RandomKey) throws {
    let key = key.stream("removal/last_layer")
    let bound = 1 / Double(model.head.weight.shape[1]).squareRoot()
    try withoutGradients {
      for (name, tensor) in [("weight", model.head.weight), ("bias", model.head.bias)] {
        try tensor.copy(from: key.stream(name).uniform(tensor.shape, from: -bound, to: bound))
      }
    }
  }
}
