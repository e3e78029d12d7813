import BulwarkData
import BulwarkNN
import BulwarkTraining
import BulwarkWatermark

/// Everything that decides a verification. In YAML the keys are in snake case; unknown keys are rejected.
struct WatermarkVerifyRecipe: ToolRecipe, Equatable {
  static let name = "watermark verify"

  /// What the recipe is for; only `watermark verify` here.
  var command = WatermarkVerifyRecipe.name
  /// `cpu`, `cuda:n` or `auto`.
  var device = "auto"
  /// `bf16`, `fp32` or `auto`.
  var precision = Precision.auto
  /// Threads on the CPU; 0 takes one for each core.
  var threads = 0
  /// Seconds between checkpoints of a null model's training.
  var checkpointInterval = 60.0
  /// The owner's key file.
  var key = ""
  /// The suspect, a checkpoint.
  var suspect = ""
  /// Instead of it, what `bulwark watermark queries` wrote for a suspect that is only served.
  var queries = ""
  /// The answers to the queries, a CSV file.
  var answers = ""
  /// The commitment that the owner published, `sha256:...`; with an empty one nothing is shown.
  var commitment = ""
  /// The owner's released model; empty skips the comparison with it.
  var released = ""
  /// The data of the task: null models learn them, foreign keys draw images from them.
  var data = TrainRecipe.DataSettings()
  /// Random views of null models' training images.
  var augmentation = TrainRecipe.AugmentationSettings()
  /// Models trained without any mark.
  var nulls = NullSettings()
  /// Level, numbers of commitments and foreign keys, access.
  var evidence = VerificationOptions()
  /// Where null models, and what they score under a key, are kept for other runs.
  var cache = "runs/cache"

  /// Models trained without any mark.
  struct NullSettings: Codable, Equatable {
    /// How many.
    var count = 20
    /// Which of all populations: a number that the judge names after the commitment; 0 is the published one.
    var draw: UInt64 = 0
    /// How they are trained: as the owner's model was, but for the mark.
    var training = SupervisedOptions()
    /// Network; `suspect` takes the suspect's.
    var family = NullSettings.suspect
    /// Width; 0 takes the suspect's.
    var width = 0

    static let suspect = "suspect"

    /// Checks the numbers.
    ///
    /// - Throws: `RecipeError.setting`.
    func validate(atLeast least: Int) throws {
      let check = SettingCheck("nulls")
      try check.whole("count", count, in: least...SettingCheck.mostUnits)
      try check.whole("width", width, in: 0...8192)
      try training.validate("nulls.training")
    }

    /// The network for a suspect.
    ///
    /// - Parameters:
    ///   - suspect: its architecture; nil for a suspect that is only served.
    ///   - train: images and classes of the task.
    /// - Returns: the architecture that null models have.
    /// - Throws: `RecipeError.setting` where the recipe must name a network; `RecipeError.unfit` for an
    ///   unknown family.
    func architecture(of suspect: Architecture?, for train: ImageDataset) throws -> Architecture {
      let check = SettingCheck("nulls")
      try check.require(
        suspect != nil || family != Self.suspect, "family",
        "a network, since that of a served suspect is not known", "'\(family)'")
      try check.require(
        suspect != nil || width > 0, "width", "at least 1 for a served suspect", width)
      var architecture =
        suspect
        ?? Architecture(.smallCNN, classes: train.classCount, channels: train.channels)
      if family != Self.suspect {
        guard let named = Architecture.Family(rawValue: family) else {
          let valid = Architecture.Family.allCases.map(\.rawValue).joined(separator: ", ")
          throw RecipeError.unfit(cause: "nulls.family must be suspect or one of \(valid)")
        }
        architecture.family = named
      }
      if width > 0 { architecture.width = width }
      return architecture
    }
  }

  /// - Throws: `ToolError.usage`: nothing hangs on a seed.
  mutating func take(seed: UInt64) throws {
    throw ToolError.usage(
      "A verification draws nothing from a seed: those of null models are published, "
        + "foreign keys follow from the owner's secret.", remedy: "Leave --seed out.")
  }

  /// Whether the suspect is known by its answers only.
  ///
  /// - Throws: `RecipeError.unfit` unless there is a checkpoint, or queries and answers.
  func isServed() throws -> Bool {
    let (served, all) = (!queries.isEmpty || !answers.isEmpty, !queries.isEmpty && !answers.isEmpty)
    guard suspect.isEmpty ? all : !served else {
      throw RecipeError.unfit(
        cause: "suspect must be the path of a checkpoint (--suspect), or else queries and answers "
          + "those of a served one (--queries and --answers)")
    }
    return served
  }

  static var defaults: WatermarkVerifyRecipe { WatermarkVerifyRecipe() }
  var startingPoint: WatermarkVerifyRecipe? { nil }

  func validate() throws {
    func require(_ holds: Bool, _ key: String, _ expected: String) throws {
      if !holds { throw RecipeError.unfit(cause: "\(key) must be \(expected)") }
    }
    try require(command == Self.name, "command", "'\(Self.name)' here")
    try require(!key.isEmpty, "key", "the path of a key file (--key)")
    try require(
      commitment.isEmpty || Commitment(parsing: commitment) != nil, "commitment",
      "sha256: and 64 hexadecimal digits")
    try WatermarkTask.validate(threads: threads, interval: checkpointInterval)
    try data.validate("data")
    try augmentation.validate("augmentation")
    try nulls.validate(atLeast: 1)
    try evidence.validate()
  }
}
