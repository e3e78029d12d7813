import BulwarkTraining

/// Settings of ingrain. The paper's body (equations, tables, hyper-parameters) could not be obtained: the
/// readings, and every default here, are inferred from its abstract and from a pilot.
public struct IngrainOptions: Hashable, Sendable, Codable {
  /// Readings of the joint loss.
  public enum Variant: String, Hashable, Sendable, Codable, CaseIterable {
    /// The regularizer on task images alone; no carrier is ever shown to the host. Also the control
    /// "without carriers".
    case a
    /// As `a`, with carriers under plain cross-entropy in every batch.
    case aPlus = "a-plus"
    /// As `a-plus`, with the regularizer on carriers, too.
    case b
    /// As `a-plus`, with an ingrainer that was trained on task images and carriers together: plain
    /// self-distillation, a control.
    case c
  }

  /// Whose carriers the ingrainer learns.
  public enum Ingrainer: String, Hashable, Sendable, Codable, CaseIterable {
    /// The key's own.
    case own
    /// Those of a published foreign key, with the same labels: a control that keeps the shift of class
    /// priors and drops the mark.
    case foreign
  }

  /// Which statistics normalize inside the ingrainer when it looks at task images.
  public enum Normalization: String, Hashable, Sendable, Codable, CaseIterable {
    /// The running statistics of its carriers.
    case carriers
    /// Statistics estimated again on task images, after it is trained.
    case clean
  }

  /// Reading of the loss.
  public var variant: Variant
  /// Whose carriers the ingrainer learns.
  public var ingrainer: Ingrainer
  /// Weight λ of the regularizer; 0 leaves direct embedding.
  public var weight: Double
  /// Temperature T of the regularizer.
  public var temperature: Double
  /// Whether the regularizer is multiplied by T²; the effective weight is then λ · T².
  public var squaredTemperature: Bool
  /// Carriers added to every batch; without meaning for variant `a`.
  public var carriersPerBatch: Int
  /// Statistics of the ingrainer's normalization layers.
  public var normalization: Normalization
  /// Steps of the ingrainer's training at least; it goes on, four times as long at most, until it
  /// answers every carrier right.
  public var ingrainerSteps: Int
  /// Carriers a step of the ingrainer.
  public var ingrainerBatchSize: Int
  /// Step size of the ingrainer.
  public var ingrainerLearningRate: Double

  /// Variant A+ with λ 0.3 at T 4, without T².
  public init(
    variant: Variant = .aPlus, ingrainer: Ingrainer = .own, weight: Double = 0.3,
    temperature: Double = 4, squaredTemperature: Bool = false, carriersPerBatch: Int = 8,
    normalization: Normalization = .carriers, ingrainerSteps: Int = 300,
    ingrainerBatchSize: Int = 50, ingrainerLearningRate: Double = 0.05
  ) {
    self.variant = variant
    self.ingrainer = ingrainer
    self.weight = weight
    self.temperature = temperature
    self.squaredTemperature = squaredTemperature
    self.carriersPerBatch = carriersPerBatch
    self.normalization = normalization
    self.ingrainerSteps = ingrainerSteps
    self.ingrainerBatchSize = ingrainerBatchSize
    self.ingrainerLearningRate = ingrainerLearningRate
  }

  /// λ, times T² where that is on: what weights of different temperature are compared by.
  public var effectiveWeight: Double {
    squaredTemperature ? weight * temperature * temperature : weight
  }

  func validate() throws {
    let check = SettingCheck("watermark.ingrain")
    try check.number("weight", weight)
    try check.number("temperature", temperature, isAbove: true)
    try check.whole("carriers_per_batch", carriersPerBatch, in: 1...SettingCheck.mostUnits)
    try check.whole("ingrainer_steps", ingrainerSteps, in: 1...SettingCheck.mostUnits)
    try check.whole("ingrainer_batch_size", ingrainerBatchSize, in: 2...SettingCheck.mostUnits)
    try check.number("ingrainer_learning_rate", ingrainerLearningRate, isAbove: true)
  }
}
