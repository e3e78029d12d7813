import BulwarkStore
import BulwarkTraining
import BulwarkWatermark

/// Everything that decides the training of a marked model, but the secret. In YAML the keys are in snake
/// case; unknown keys are rejected.
struct WatermarkEmbedRecipe: SeededRecipe, Equatable {
  static let name = "watermark embed"

  /// What the recipe is for; only `watermark embed` here.
  var command = WatermarkEmbedRecipe.name
  /// Seed of weights, orders and views. The mark does not depend on it.
  var seed: UInt64 = 0
  /// `cpu`, `cuda:n` or `auto`.
  var device = "auto"
  /// `bf16`, `fp32` or `auto`.
  var precision = Precision.auto
  /// Threads on the CPU; 0 takes one for each core.
  var threads = 0
  /// Seconds between checkpoints.
  var checkpointInterval = 60.0
  /// Where the images come from.
  var data = TrainRecipe.DataSettings()
  /// The network; that of `checkpoint` where there is one.
  var model = TrainRecipe.ModelSettings()
  /// A trained model of these classes that is to be marked: the host starts with its weights, and it is `tilted`'s
  /// unmarked reference. Empty trains from fresh weights.
  var checkpoint = ""
  /// Random views of task images; carriers are never changed.
  var augmentation = TrainRecipe.AugmentationSettings()
  /// The watermark.
  var scheme = WatermarkScheme.tilted
  /// Whose mark it is; part of the commitment.
  var owner = ""
  /// Where the secret comes from: empty draws a new one, 64 hexadecimal digits give it, `test:NAME` makes
  /// a published one for experiments that others are to repeat. In the copy of a run folder the digits are
  /// replaced by `sha256:` and a digest: that run can go on, its key has the secret.
  var secret = ""
  /// Settings of the schemes.
  var watermark = WatermarkOptions()
  /// How the host is trained.
  var training = SupervisedOptions()

  static var defaults: WatermarkEmbedRecipe { WatermarkEmbedRecipe() }
  var startingPoint: WatermarkEmbedRecipe? { nil }

  func validate() throws {
    func require(_ holds: Bool, _ key: String, _ expected: String) throws {
      if !holds { throw RecipeError.unfit(cause: "\(key) must be \(expected)") }
    }
    try require(command == Self.name, "command", "'\(Self.name)' here")
    try require(!owner.isEmpty, "owner", "the name of the owner (--owner)")
    try WatermarkTask.validate(threads: threads, interval: checkpointInterval)
    try SettingCheck("model").whole("width", model.width, in: 1...8192)
    try data.validate("data")
    try augmentation.validate("augmentation")
    try training.validate("training")
    try watermark.validate(scheme)
    if !hasOnlyDigest { _ = try resolvedSecret() }
  }

  /// Whether this is the copy of a run folder, without the secret itself.
  var hasOnlyDigest: Bool { Commitment(parsing: secret) != nil }

  /// The secret's name where everybody can make the key.
  var publishedSecret: String? { secret.hasPrefix("test:") ? secret : nil }

  /// What is to be known of a key whose secret is published.
  static func warning(published name: String) -> String {
    "the secret \(name) is published: everybody can make this key, which proves nothing. "
      + "For experiments alone."
  }

  var withoutSecrets: WatermarkEmbedRecipe {
    guard let given = WatermarkSecret(hexadecimal: secret) else { return self }
    var copy = self
    copy.secret = Self.digest(of: given)
    return copy
  }

  /// Throws unless a key has the secret that the recipe gives or describes; any will do for a recipe
  /// that leaves the secret to chance.
  ///
  /// - Throws: `ToolError.usage`; `RecipeError.unfit`.
  func check(_ key: WatermarkKey, path: String) throws {
    let fits =
      try hasOnlyDigest
      ? Self.digest(of: key.secret) == secret : resolvedSecret().map { $0 == key.secret } ?? true
    guard fits else {
      throw ToolError.usage(
        "The key in \(path) has another secret than the recipe.",
        remedy: "Put the run's own key back, or leave the secret out.")
    }
  }

  /// A secret has 256 bits: its digest tells nobody what it is.
  private static func digest(of secret: WatermarkSecret) -> String {
    "sha256:\(SHA256Digest(of: "bulwark watermark secret of a recipe \(secret.hexadecimal)"))"
  }

  /// The secret that the recipe gives; nil when a new one is to be drawn.
  ///
  /// - Throws: `RecipeError.unfit`.
  func resolvedSecret() throws -> WatermarkSecret? {
    if secret.isEmpty { return nil }
    if secret.hasPrefix("test:") {
      return .published("test " + secret.dropFirst(5), 0)
    }
    guard let given = WatermarkSecret(hexadecimal: secret) else {
      throw RecipeError.unfit(cause: "secret must be empty, 64 hexadecimal digits or test:NAME")
    }
    return given
  }
}
