import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Settings of weight shifting.
public struct WeightShiftingOptions: Hashable, Sendable, Codable {
  /// How much of the filters' mean is subtracted.
  public var strength: Double
  /// Standard deviation of the noise as a share of the tensor's own.
  public var noise: Double

  /// The SoK toolbox's settings.
  public init(strength: Double = 1.5, noise: Double = 1) {
    self.strength = strength
    self.noise = noise
  }
}

/// Weight shifting (SoK toolbox, `wrt/attacks/removal/weight_shifting.py`): from every convolution
/// λ times the mean of its filters is subtracted, and noise as strong as the weights themselves.
///
/// That destroys the model; the toolbox repairs it with 10 epochs of fine-tuning on the stolen model's
/// labels: `shift+ftal:epochs=10` comes close, with given labels, because a chain knows only
/// the model that the last link left.
public struct WeightShifting: DescribedRemovalAttack {
  /// Name in results.
  public let name: String
  /// Settings.
  public let options: WeightShiftingOptions

  /// The attack with these settings.
  ///
  /// - Throws: `RecipeError.setting`.
  public init(_ options: WeightShiftingOptions = WeightShiftingOptions(), name: String = "shift")
    throws
  {
    try SettingCheck(name).number("noise", options.noise)
    self.options = options
    self.name = name
  }

  /// Every setting.
  public var settings: JSONValue { ["shift": SettingsJSON.of(options)] }

  /// Nothing beyond the settings.
  public var remark: String { "" }

  /// A shifted copy of the stolen model.
  public func surrogate(of model: ImageClassifier, data: TrainingData, session: TrainingSession)
    throws -> ImageClassifier
  {
    let surrogate = try model.surrogateCopy(on: session.device)
    let convolutions = surrogate.weightTensors.filter { $0.rank == 4 }
    // The noise follows the weights as they were before the shift.
    let deviations = try convolutions.map { try $0.variance().sqrt().item() }
    try withoutGradients {
      for (place, (weight, deviation)) in zip(convolutions, deviations).enumerated() {
        let key = session.key.stream("removal/shift").step(place)
        let noise = try key.normal(weight.shape).to(weight.device) * (options.noise * deviation)
        let mean = try weight.mean([0], keep: true) * options.strength
        try weight.copy(from: weight - mean - noise)
      }
    }
    return surrogate
  }
}
