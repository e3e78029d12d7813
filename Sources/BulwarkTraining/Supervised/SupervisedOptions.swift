import BulwarkNN

/// Settings of ordinary supervised training. The defaults are DBD's "no defense" configuration
/// (SCLBD/DBD `config/supervise`) with a cosine schedule instead of two steps.
public struct SupervisedOptions: Hashable, Sendable, Codable {
  /// Passes over the training set.
  public var epochs = 200
  /// Images a step.
  public var batchSize = 128
  /// Base step size of SGD.
  public var learningRate = 0.1
  /// Momentum of SGD.
  public var momentum = 0.9
  /// Coupled weight decay, on every parameter.
  public var weightDecay = 5e-4
  /// Nesterov's form of momentum.
  public var nesterov = false
  /// Step size over time.
  public var schedule = ScheduleKind.cosine
  /// Epochs of linear warm-up (cosine only).
  public var warmupEpochs = 0.0
  /// Share of the target probability spread over all classes, 0...1.
  public var labelSmoothing = 0.0
  /// Random crop and flip.
  public var augment = true

  /// Shape of the step size over time.
  public enum ScheduleKind: String, Sendable, Codable, CaseIterable {
    /// Cosine to 0 at the end.
    case cosine
    /// A tenth after half of the epochs and again after three quarters: the official configuration.
    case steps
    /// No change.
    case constant
  }

  /// The defaults.
  public init() {}

  /// Checks what would otherwise go wrong deep inside a run, or be senseless.
  ///
  /// - Parameter key: name of the group of settings, for the message.
  /// - Throws: `RecipeError.setting` naming the setting, what it may be and what it is.
  public func validate(_ key: String) throws {
    let check = SettingCheck(key)
    try check.whole("epochs", epochs, in: 1...SettingCheck.mostUnits)
    try check.whole("batch_size", batchSize, in: 1...SettingCheck.mostUnits)
    try check.number("learning_rate", learningRate)
    try check.number("momentum", momentum, to: 1, isBelow: true)
    try check.number("weight_decay", weightDecay)
    try check.number("warmup_epochs", warmupEpochs)
    try check.number("label_smoothing", labelSmoothing, to: 1)
  }

  /// The schedule in epochs.
  public var resolvedSchedule: Schedule {
    switch schedule {
    case .constant: .constant
    case .steps:
      .steps(milestones: [Double(epochs) * 0.5, Double(epochs) * 0.75], factor: 0.1)
    case .cosine: .warmupCosine(warmup: warmupEpochs, total: Double(epochs))
    }
  }
}
