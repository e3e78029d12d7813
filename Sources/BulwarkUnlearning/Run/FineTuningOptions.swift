import BulwarkNN
import BulwarkTraining

/// What every method that makes optimizer steps shares. The defaults are those of SalUn's official
/// code: SGD, momentum 0.9, weight decay 5e-4, batch 256, training mode, random views, ten epochs at a
/// constant step size.
public struct FineTuningOptions: Hashable, Sendable, Codable {
  /// Passes over what the method trains on.
  public var epochs: Int
  /// Images a step.
  public var batchSize: Int
  /// Base step size.
  public var learningRate: Double
  /// Momentum of SGD; without meaning for Adam.
  public var momentum: Double
  /// Coupled weight decay, on every weight that may move.
  public var weightDecay: Double
  /// Step size over time.
  public var schedule: ScheduleKind
  /// Random views of the training images.
  public var augment: Bool
  /// Whether normalization layers keep their running statistics, which no mask covers: the model
  /// then computes in evaluation mode throughout.
  public var frozenStatistics: Bool

  /// Shape of the step size over time.
  public enum ScheduleKind: String, Sendable, Codable, CaseIterable {
    /// No change.
    case constant
    /// Cosine to 0 at the end.
    case cosine
    /// A tenth after the third, fifth and ninth epoch: SCRUB's notebook.
    case scrub
  }

  /// The official settings with a method's own step size and epochs.
  public init(
    epochs: Int = 10, batchSize: Int = 256, learningRate: Double = 0.01, momentum: Double = 0.9,
    weightDecay: Double = 5e-4, schedule: ScheduleKind = .constant, augment: Bool = true,
    frozenStatistics: Bool = false
  ) {
    self.epochs = epochs
    self.batchSize = batchSize
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.schedule = schedule
    self.augment = augment
    self.frozenStatistics = frozenStatistics
  }

  /// The schedule in epochs.
  public var resolvedSchedule: Schedule {
    switch schedule {
    case .constant: .constant
    case .cosine: .cosine(total: Double(epochs))
    case .scrub: .steps(milestones: [3, 5, 9], factor: 0.1)
    }
  }

  /// Checks what would otherwise go wrong deep inside a run.
  ///
  /// - Parameter key: name of the group of settings, for the message.
  /// - Throws: `RecipeError.setting`.
  public func validate(_ key: String) throws {
    let check = SettingCheck(key)
    try check.whole("epochs", epochs, in: 0...SettingCheck.mostUnits)
    try check.whole("batch_size", batchSize, in: 1...SettingCheck.mostUnits)
    try check.number("learning_rate", learningRate)
    try check.number("momentum", momentum, to: 1, isBelow: true)
    try check.number("weight_decay", weightDecay)
  }
}
