import BulwarkNN
import BulwarkTraining

/// How an attack trains: shared by every attack that makes optimizer steps.
public struct AttackTraining: Hashable, Sendable, Codable {
  /// Passes over the attacker's images.
  public var epochs: Int
  /// Images a step.
  public var batchSize: Int
  /// Base step size of SGD.
  public var learningRate: Double
  /// Momentum of SGD, 0..<1.
  public var momentum: Double
  /// Coupled weight decay.
  public var weightDecay: Double
  /// Nesterov's form of momentum.
  public var nesterov: Bool
  /// Step size over time.
  public var schedule: ScheduleKind
  /// Random views of the images, where the environment has any.
  public var augment: Bool
  /// Which images the attacker has.
  public var images: ImageSource
  /// Share of these images that is used, above 0 up to 1; balanced over the classes.
  public var imageShare: Double

  /// Shape of the step size over time.
  public enum ScheduleKind: String, Sendable, Codable, CaseIterable {
    /// No change.
    case constant
    /// Cosine to 0 at the end.
    case cosine
    /// A fifth after a third, seven twelfths and five sixths of the epochs (20, 35 and 50 of 60): the
    /// distillation of the SoK toolbox.
    case fifths
    /// A half every five epochs: the strong fine-tuning of Gan et al. (ICCV 2023).
    case halving
  }

  /// Which images the attacker has.
  public enum ImageSource: String, Sendable, Codable, CaseIterable {
    /// Those that the owner trained on.
    case own
    /// Images of the same classes that the owner did not train on.
    case other
  }

  /// Settings of one attack; the defaults of the rest are those of SoK's fine-tuning: batch 64, step
  /// size 1e-3, momentum 0.9, random views, constant step size.
  public init(
    epochs: Int, batchSize: Int = 64, learningRate: Double = 1e-3, momentum: Double = 0.9,
    weightDecay: Double = 0, nesterov: Bool = false, schedule: ScheduleKind = .constant,
    augment: Bool = true, images: ImageSource = .own, imageShare: Double = 1
  ) {
    self.epochs = epochs
    self.batchSize = batchSize
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.nesterov = nesterov
    self.schedule = schedule
    self.augment = augment
    self.images = images
    self.imageShare = imageShare
  }

  /// The schedule in epochs.
  public var resolvedSchedule: Schedule {
    let total = Double(epochs)
    return switch schedule {
    case .constant: .constant
    case .cosine: .cosine(total: total)
    case .fifths:
      .steps(milestones: [total / 3, total * 7 / 12, total * 5 / 6], factor: 0.2)
    case .halving:
      .steps(milestones: stride(from: 5, to: total, by: 5).map { $0 }, factor: 0.5)
    }
  }

  /// Checks what would otherwise go wrong deep inside a run.
  ///
  /// - Parameter attack: name of the attack, for the message.
  /// - Throws: `RecipeError.setting`.
  public func validate(_ attack: String) throws {
    let check = SettingCheck(attack)
    try check.whole("epochs", epochs, in: 0...SettingCheck.mostUnits)
    try check.whole("batch_size", batchSize, in: 1...SettingCheck.mostUnits)
    try check.number("learning_rate", learningRate)
    try check.number("momentum", momentum, to: 1, isBelow: true)
    try check.number("weight_decay", weightDecay)
    try check.number("image_share", imageShare, to: 1, isAbove: true)
  }
}
