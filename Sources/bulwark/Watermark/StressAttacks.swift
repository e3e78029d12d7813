import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTraining
import BulwarkUnlearning
import BulwarkWatermark

/// The attacks that the tool knows: those of the module, and SalUn, which is another module's.
enum StressAttacks {
  /// Every attack by name; `salun` forgets `carrierClass` unless a text names another class.
  static func registry(carrierClass: Int) -> RemovalRegistry {
    var registry = RemovalRegistry.standard
    registry.register(
      "salun", summary: "unlearns a part of the carriers' class",
      defaults: ClassUnlearningOptions(label: carrierClass)
    ) { try ClassUnlearning($0, name: $1, environment: $2) }
    return registry
  }

  /// The texts of a suite, with SalUn where it belongs.
  static func names(_ suite: RemovalSuite, hasOtherImages: Bool) -> [String] {
    let own = suite.attacks(hasOtherImages: hasOtherImages)
    switch suite {
    case .quick: return own
    case .standard: return own + ["salun:epochs=3"]
    case .paper: return own + ["salun"]
    }
  }
}

/// Settings of unlearning as an attack.
struct ClassUnlearningOptions: Hashable, Sendable, Codable {
  /// The class, by label.
  var label: Int
  /// Share of the attacker's images of the class that is forgotten, above 0 up to 1.
  var share = 0.5
  /// Epochs.
  var epochs = 10
  /// Images a step.
  var batchSize = 64
  /// Step size of SGD.
  var learningRate = 0.01
  /// Share of the weights that may move.
  var ratio = 0.5

  init(label: Int) { self.label = label }
}

/// SalUn (Fan et al., ICLR 2024) turned against a watermark: random labels for a part of the class that
/// carriers are said to be of, true labels for everything else, salient weights only.
///
/// The attacker guesses the class; the tool takes the one that most carriers have. Carriers of other labels are
/// spared: against a mark of several labels the attack is a chain, `salun:label=3+salun:label=5`. Half of the
/// class is kept by default, or its accuracy would go too.
struct ClassUnlearning: ResumableRemovalAttack, DescribedRemovalAttack {
  let name: String
  let options: ClassUnlearningOptions
  let environment: RemovalEnvironment

  init(_ options: ClassUnlearningOptions, name: String, environment: RemovalEnvironment) throws {
    let check = SettingCheck(name)
    try check.whole("label", options.label, in: 0...SettingCheck.mostUnits)
    try check.number("share", options.share, to: 1, isAbove: true)
    try check.number("ratio", options.ratio, to: 1)
    try check.whole("epochs", options.epochs, in: 0...SettingCheck.mostUnits)
    try check.number("learning_rate", options.learningRate)
    try check.whole("batch_size", options.batchSize, in: 1...SettingCheck.mostUnits)
    self.name = name
    self.options = options
    self.environment = environment
  }

  var settings: JSONValue { ["salun": SettingsJSON.of(options)] }

  var remark: String { "forgets \(options.share) of the images of class \(options.label)" }

  /// Positions of the images of the class.
  ///
  /// - Parameter images: the attacker's.
  /// - Returns: at least one position.
  /// - Throws: `RecipeError.setting` where there is no such image.
  func members(of images: ImageDataset) throws -> [Int] {
    let members = images.labels.indices.filter { images.labels[$0] == options.label }
    try SettingCheck(name).require(
      !members.isEmpty, "label", "a class of the attacker's images", options.label)
    return members
  }

  func surrogate(
    of model: ImageClassifier, data: TrainingData, session: TrainingSession,
    resuming checkpoint: Checkpoint?
  ) throws -> ImageClassifier {
    let members = try members(of: data.train)
    let order = try session.key.stream("removal/forget").permutation(members.count).integers()
    let count = max(1, Int(options.share * Double(members.count)))
    let forget = order.prefix(count).map { members[$0] }.sorted()
    let input = UnlearningInput(
      train: data.train,
      forgetSet: try ForgetSet(forget, of: data.train.count, origin: "class \(options.label)"),
      normalization: data.normalization, views: environment.views)
    var settings = UnlearningOptions()
    settings.salun.training.epochs = options.epochs
    settings.salun.training.batchSize = options.batchSize
    settings.salun.training.learningRate = options.learningRate
    var mask = MaskOptions()
    mask.ratio = options.ratio
    let unlearner = try Unlearner(
      .salun, options: settings, mask: mask, original: model.checkpoint(data: data),
      originalDigest: model.weightDigest(), input: input, session: session)
    if let checkpoint { try unlearner.restore(checkpoint) }
    try unlearner.run()
    return unlearner.model
  }
}
