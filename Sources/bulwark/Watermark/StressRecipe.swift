import BulwarkTraining
import BulwarkWatermark

/// Everything that decides a stress run: `bulwark watermark stress` fills it from flags, `bulwark run`
/// from a YAML file. In YAML the keys are in snake case; unknown keys are rejected.
struct StressRecipe: SeededRecipe, Equatable {
  static let name = "watermark stress"

  /// What the recipe is for; only `watermark stress` here.
  var command = StressRecipe.name
  /// Seed of every attack's random numbers.
  var seed: UInt64 = 0
  /// `cpu`, `cuda:n` or `auto`.
  var device = "auto"
  /// `bf16`, `fp32` or `auto`.
  var precision = Precision.auto
  /// Threads on the CPU; 0 takes one for each core.
  var threads = 0
  /// Seconds between checkpoints inside an attack.
  var checkpointInterval = 60.0
  /// The stolen model.
  var checkpoint = ""
  /// The images that the owner trained on, and the test images.
  var data = TrainRecipe.DataSettings()
  /// Images of the same classes that the owner did not train on; what also stands in `data`, test
  /// images included, is left out. An empty path gives none.
  var otherData = TrainRecipe.DataSettings(path: "")
  /// The owner's key file, as `bulwark watermark embed` writes it; or else `carriers`.
  var key = ""
  /// The trigger set with the key's labels: a data set.
  var carriers = ""
  /// Trigger sets of other keys, the controls of `carriers`.
  var foreign: [String] = []
  /// Models trained without any mark, so many for each architecture of surrogates: what chance scores.
  /// None by default, and then no p-values.
  var nulls = WatermarkVerifyRecipe.NullSettings(count: 0)
  /// Checkpoints of further such models; each counts for surrogates of its architecture.
  var nullModels: [String] = []
  /// Where trained null models are kept for other runs.
  var cache = "runs/cache"
  /// Level, divided by the number of commitments; number of foreign keys that are made for `key`; what may
  /// be asked of a surrogate.
  var evidence = VerificationOptions()
  /// The list of attacks.
  var suite = RemovalSuite.standard
  /// Attacks instead of the suite's, where any are named.
  var attacks: [String] = []
  /// Accuracy that an attack may lose before it is marked, 0...1.
  var margin = 0.05
  /// Where the random views come from.
  var views = Views.checkpoint
  /// Random views with `views: recipe`.
  var augmentation = TrainRecipe.AugmentationSettings()
  /// Whether the surrogates are kept, as far as checkpoints can hold them.
  var keepSurrogates = false
  /// Folder of an earlier run that kept its surrogates: those that this recipe would make again are measured
  /// instead. An empty path makes all anew.
  var surrogates = ""

  /// Where the random views come from.
  enum Views: String, Codable, CaseIterable {
    /// The training recipe inside the checkpoint; where it has none, this recipe.
    case checkpoint
    /// This recipe.
    case recipe
  }

  static var defaults: StressRecipe { StressRecipe() }
  var startingPoint: StressRecipe? { nil }

  /// Checks what would otherwise go wrong deep inside a run.
  ///
  /// - Throws: `RecipeError.setting`, `RecipeError.unfit` or `RemovalError` naming the setting; `ToolError.usage`
  ///   for one that would have no effect.
  func validate() throws {
    func require(_ holds: Bool, _ key: String, _ expected: String) throws {
      if !holds { throw RecipeError.unfit(cause: "\(key) must be \(expected)") }
    }
    try require(command == Self.name, "command", "'\(Self.name)' here")
    try WatermarkTask.validate(threads: threads, interval: checkpointInterval)
    try require(!checkpoint.isEmpty, "checkpoint", "the path of a checkpoint (--checkpoint)")
    try require(
      carriers.isEmpty != key.isEmpty, "key or carriers",
      "given, and only one of them (--key, or --carriers with a trigger set)")
    try require(
      key.isEmpty || foreign.isEmpty, "foreign",
      "empty with a key, which makes its own foreign keys"
    )
    try data.validate("data")
    try otherData.validate("other_data")
    try augmentation.validate("augmentation")
    try nulls.validate(atLeast: 0)
    try evidence.validate()
    try require(
      carriers.isEmpty || evidence.reading == .both, "evidence.reading",
      "both with carriers: only keys of tilted are read otherwise")
    try refuseIdleSettings()
    try SettingCheck().number("margin", margin, to: 1)
    try require(Set(names).count == names.count, "attacks", "a list without repetition")
    let registry = StressAttacks.registry(carrierClass: 0)
    for name in names {
      let attack = try registry.attack(name) as? any DescribedRemovalAttack
      if attack?.needsOtherImages == true, otherData.path.isEmpty {
        throw RemovalError.otherImagesMissing(attack: name)
      }
    }
  }

  /// What is set must count.
  private func refuseIdleSettings() throws {
    let plain = StressRecipe()
    if !carriers.isEmpty, evidence.foreignKeys != plain.evidence.foreignKeys {
      throw Self.idleForeignKeys
    }
    if !attacks.isEmpty, suite != plain.suite { throw Self.idleSuite }
  }

  /// The number of foreign keys is set, and nothing makes any.
  static var idleForeignKeys: ToolError {
    .usage(
      "evidence.foreign_keys (--foreign-keys) has no effect: only with a key file are foreign keys made.",
      remedy: "Leave it out, and give other trigger sets with --foreign (in a recipe: foreign).")
  }

  /// A suite is set, and attacks take its place.
  static var idleSuite: ToolError {
    .usage(
      "'suite' (--suite) has no effect: attacks are named one by one.",
      remedy: "Leave it out, or name no attacks (with a recipe: --set attacks=[]).")
  }

  /// The texts of the attacks in order.
  var names: [String] {
    attacks.isEmpty
      ? StressAttacks.names(suite, hasOtherImages: !otherData.path.isEmpty) : attacks
  }
}
