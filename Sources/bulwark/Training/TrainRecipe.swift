import BulwarkDefense
import BulwarkNN
import BulwarkTraining

/// Everything that decides a training run: `bulwark train` fills it from flags, `bulwark run` from a
/// YAML file. In YAML the keys are in snake case; unknown keys are rejected.
struct TrainRecipe: SeededRecipe, Equatable {
  /// What the recipe is for; only `train` here.
  var command = "train"
  /// Seed of weights, orders, views and poison choice.
  var seed: UInt64 = 0
  /// `cpu`, `cuda:n` or `auto`.
  var device = "auto"
  /// `bf16`, `fp32` or `auto`.
  var precision = Precision.auto
  /// Threads on the CPU; 0 takes one for each core.
  var threads = 0
  /// Seconds between checkpoints inside a stage.
  var checkpointInterval = 60.0
  /// `standard`, `dbd`, or both: each trains its own model on the same data.
  var methods = ["dbd"]
  /// Where the images come from.
  var data = DataSettings()
  /// The attack that is applied to the training images first; none by default.
  var poison = PoisonSettings()
  /// A list of training samples to leave out, after the attack, such as `bulwark flag` writes; empty for none.
  var leaveOut = ""
  /// The network.
  var model = ModelSettings()
  /// Random views of supervised training and of DBD's stages 2 and 3.
  var augmentation = AugmentationSettings()
  /// Where the settings of DBD start: `bulwark` (its own defaults) or `paper` (the official
  /// configuration); single settings under `dbd` override it.
  var variant = Variant.bulwark
  /// Settings of the method `standard`.
  var standard = SupervisedOptions()
  /// Settings of the method `dbd`.
  var dbd = DBDOptions()

  /// Named starting points of a method's settings.
  enum Variant: String, Codable, CaseIterable {
    case bulwark, paper
  }

  /// The defaults of a variant.
  init(variant: Variant = .bulwark) {
    self.variant = variant
    if variant == .paper { dbd = .paper }
  }

  static var defaults: TrainRecipe { TrainRecipe() }

  var startingPoint: TrainRecipe? {
    variant == .bulwark ? nil : TrainRecipe(variant: variant)
  }

  /// Where the images come from.
  struct DataSettings: Codable, Equatable {
    var path = "digits"
    /// `auto` detects it.
    var kind = "auto"
    /// Training samples at most; 0 takes all.
    var limit = 0
    /// Test samples at most; 0 takes all.
    var testLimit = 0
    /// Side of the square every image is brought to; 0 keeps the stored size.
    var imageSize = 0
    /// 1 or 3; 0 keeps the stored channels.
    var channels = 0
  }

  /// The network.
  struct ModelSettings: Codable, Equatable {
    var family = Architecture.Family.resNet18
    var stem = Architecture.Stem.cifar
    var width = 64
  }

  /// Weak views: random crop and flip.
  struct AugmentationSettings: Codable, Equatable {
    /// Pixels added on every side before the random crop.
    var padding = 4
    /// `reflect` (DBD's official code) or `zero`.
    var paddingMode = "reflect"
    /// Random horizontal flip: off for digits and other images that a mirror changes.
    var flip = true
    /// Smallest share of the image that a contrastive view keeps, 0...1.
    var minimumCrop = 0.2
    /// Strength of color jitter in contrastive views relative to the official 0.4/0.4/0.4/0.1.
    var jitter = 1.0
    /// Side of contrastive views in pixels; 0 keeps the side of the images. Smaller views cost less:
    /// 24 instead of 32 halves the time of stage 1.
    var contrastiveSize = 0
  }
}
