import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Settings of adversarial fine-tuning.
public struct AdversarialFineTuningOptions: Hashable, Sendable, Codable {
  /// Optimizer, epochs, images.
  public var training: AttackTraining
  /// Radius of the L∞ ball, in units of the pixel range 0...1.
  public var epsilon: Double
  /// Length of a step, in the same unit.
  public var stepSize: Double
  /// Steps of the perturbation.
  public var iterations: Int
  /// Share of each batch that is moved, above 0 up to 1; the others stay as they are, or clean images would be
  /// forgotten.
  public var movedShare: Double

  /// The SoK toolbox's settings with the middle of its radii (0.01, 0.1, 0.25): 5 epochs, 40 steps of
  /// 0.01. The toolbox adds 1,000 moved images of each radius to all clean ones; here a quarter of every batch
  /// is moved. One epoch costs as much as 11 ordinary ones.
  public init(
    training: AttackTraining = AttackTraining(epochs: 5), epsilon: Double = 0.1,
    stepSize: Double = 0.01, iterations: Int = 40, movedShare: Double = 0.25
  ) {
    self.training = training
    self.epsilon = epsilon
    self.stepSize = stepSize
    self.iterations = iterations
    self.movedShare = movedShare
  }
}

/// Adversarial fine-tuning: all layers are trained on images of which projected gradient ascent (Madry et
/// al. 2018) has moved a part away from their labels.
///
/// The perturbation is made in evaluation mode, from the image itself, and trained on in training mode.
/// Source: SoK toolbox, `wrt/attacks/removal/adversarial_training.py` (settings).
public struct AdversarialFineTuning: ResumableRemovalAttack, DescribedRemovalAttack {
  /// Name in results.
  public let name: String
  /// Settings.
  public let options: AdversarialFineTuningOptions
  private let environment: RemovalEnvironment

  /// The attack with these settings.
  ///
  /// - Throws: `RecipeError.setting`.
  public init(
    _ options: AdversarialFineTuningOptions = AdversarialFineTuningOptions(),
    name: String = "adversarial", environment: RemovalEnvironment = RemovalEnvironment()
  ) throws {
    try options.training.validate(name)
    let check = SettingCheck(name)
    try check.number("epsilon", options.epsilon, to: 1)
    try check.number("step_size", options.stepSize, to: 1)
    try check.whole("iterations", options.iterations, in: 1...SettingCheck.mostUnits)
    try check.number("moved_share", options.movedShare, to: 1, isAbove: true)
    self.options = options
    self.name = name
    self.environment = environment
  }

  /// Every setting.
  public var settings: JSONValue {
    ["adversarial": SettingsJSON.of(options)]
  }

  /// Nothing beyond the settings.
  public var remark: String { "" }

  /// Whether its images are other ones than the owner's.
  public var needsOtherImages: Bool { options.training.images == .other }

  /// Trains a copy of the stolen model, or finishes one.
  public func surrogate(
    of model: ImageClassifier, data: TrainingData, session: TrainingSession,
    resuming checkpoint: Checkpoint?
  ) throws -> ImageClassifier {
    let images = try environment.images(data, options.training, attack: name)
    let surrogate = try model.surrogateCopy(on: session.device)
    let views = AugmentationPipeline(options.training.augment ? environment.views : [])
    var task = try SurrogateTrainer.Task.fineTuning(
      surrogate, by: self, digest: model.weightDigest(), training: options.training,
      images: images, environment: environment, normalization: data.normalization,
      session: session)
    task.input = { batch, _, step in
      // In 0...1: the ball is one of pixels.
      let image = try views.apply(
        batch.images.to(session.device), key: session.key.stream("removal/view").step(step))
      let mixed = try mixed(
        image, batch.labels.to(session.device), surrogate, data.normalization, session)
      return try data.normalization.apply(mixed)
    }
    try SurrogateTrainer(surrogate, task, session: session).run(resuming: checkpoint)
    return surrogate
  }

  /// A batch with its first images moved, `movedShare` of them: batches are drawn in random order.
  func mixed(
    _ image: Tensor, _ labels: Tensor, _ model: ImageClassifier, _ normalization: Normalize,
    _ session: TrainingSession
  ) throws -> Tensor {
    let count = image.shape[0]
    let moved = min(count, Int((options.movedShare * Double(count)).rounded(.up)))
    let changed = try perturbed(
      image.narrow(0, start: 0, length: moved), labels.narrow(0, start: 0, length: moved), model,
      normalization, session)
    guard moved < count else { return changed }
    return try Tensor.cat([changed, image.narrow(0, start: moved, length: count - moved)])
  }

  /// x ← clip(x + step · sign ∂CE/∂x, image ± ε, 0...1), `iterations` times, for images [B, C, H, W],
  /// float32 in 0...1, and labels [B], int64.
  func perturbed(
    _ image: Tensor, _ labels: Tensor, _ model: ImageClassifier, _ normalization: Normalize,
    _ session: TrainingSession
  ) throws -> Tensor {
    let low = try (image - options.epsilon).clamp(min: 0)
    let high = try (image + options.epsilon).clamp(max: 1)
    var current = image
    for _ in 0..<options.iterations {
      let gradient = try withGradients {
        let leaf = try current.detach()
        try leaf.setRequiresGradient(true)
        let logits = try session.inPrecision {
          try model.logits(normalization.apply(leaf), .evaluation)
        }
        // The sum: only the sign counts, and small gradients keep their digits.
        let loss = try logits.to(.float32).crossEntropy(labels, perSample: true).sum()
        return try loss.gradients(of: [leaf])
      }
      guard let direction = gradient.first else { break }
      current = try withoutGradients {
        try (current + direction.sign() * options.stepSize).maximum(low).minimum(high)
      }
    }
    return current
  }
}
