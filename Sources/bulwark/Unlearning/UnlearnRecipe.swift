import BulwarkTraining
import BulwarkUnlearning

/// Everything that decides an unlearning run: `bulwark unlearn` fills it from flags, `bulwark run` from a
/// YAML file. In YAML the keys are in snake case; unknown keys are rejected.
struct UnlearnRecipe: SeededRecipe, Equatable {
  /// What the recipe is for; only `unlearn` here.
  var command = "unlearn"
  /// Seed of orders, views, random labels and random forget sets; the first of several.
  var seed: UInt64 = 0
  /// How many seeds are run: `seed`, `seed` + 1, ... Random forget sets are drawn anew for each.
  var seeds = 1
  /// `cpu`, `cuda:n` or `auto`.
  var device = "auto"
  /// `bf16`, `fp32` or `auto`.
  var precision = Precision.auto
  /// Threads on the CPU; 0 takes one for each core.
  var threads = 0
  /// Seconds between checkpoints inside a stage.
  var checkpointInterval = 60.0
  /// What is unlearned from.
  var checkpoint = ""
  /// List of the samples that the checkpoint's own training left out (`train --leave-out`); empty for none.
  var leaveOut = ""
  /// Whether data of another fingerprint than the checkpoint's are taken.
  var acceptDifferentData = false
  /// The data that the checkpoint was trained on.
  var data = TrainRecipe.DataSettings()
  /// Which test images count.
  var testPart = TestPart.all
  /// Manifest of the attack whose success is measured; empty takes the one that the data set stores.
  var trigger = ""
  /// What must go: a list, `class:NAME`, `random:SHARE`, `source:FOLDER`, `indices:1,2,3`.
  var forget = ""
  /// The methods, each `NAME` or `NAME+MASK`.
  var methods = ["salun"]
  /// Which weights may move, where the method does not say so itself.
  var mask = MaskOptions()
  /// Settings of each method.
  var settings = UnlearningOptions()
  /// What the methods are held against.
  var reference = Reference.none
  /// Where Retrain's settings and the random views come from.
  var training = Training.checkpoint
  /// Retrain's settings with `training: recipe`.
  var retrain = SupervisedOptions()
  /// Random views with `training: recipe`.
  var augmentation = TrainRecipe.AugmentationSettings()
  /// Where references and shadow models are kept for other runs.
  var cache = "runs/cache"
  /// Whether forgotten samples come back.
  var relearning = RelearningOptions()

  /// U-LiRA with shadow models; none by default.
  var audit = AuditSettings()

  /// Settings of U-LiRA.
  struct AuditSettings: Codable, Equatable {
    /// Shadow models, an even number of at least 6; 0 leaves the audit out.
    var shadows = 0
    /// Share of the training set that is audited; each shadow unlearns half of it.
    var share = 0.2
    /// Shadows on which Retrain is audited, an even number of at least 6: the first ones. 0 takes all. Its
    /// models see the same samples on every shadow and differ by their seeds alone.
    var retrainShadows = 0
  }

  /// What the methods are held against.
  enum Reference: String, Codable, CaseIterable {
    case none
    /// A model trained on the retain set alone, for each seed.
    case retrain
  }

  /// Where Retrain's settings and the random views come from.
  enum Training: String, Codable, CaseIterable {
    /// The recipe inside the checkpoint; where it has none, this recipe.
    case checkpoint
    /// This recipe.
    case recipe
  }

  /// Which test images count: a stratified half to tune on keeps the other half for the result.
  enum TestPart: String, Codable, CaseIterable {
    case all, validation
    case heldOut = "held_out"
  }

  static var defaults: UnlearnRecipe { UnlearnRecipe() }
  var startingPoint: UnlearnRecipe? { nil }
}
