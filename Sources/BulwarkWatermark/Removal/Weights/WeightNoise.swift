import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Settings of weight noise.
public struct WeightNoiseOptions: Hashable, Sendable, Codable {
  /// Standard deviation of the noise as a share of the tensor's own, 0 or more.
  public var strength: Double

  /// A tenth by default.
  public init(strength: Double = 0.1) { self.strength = strength }
}

/// Gaussian noise on every weight of convolutions and linear layers, with a deviation in proportion to
/// that of the tensor.
///
/// Bulwark's own scale: published uses give one deviation for all tensors, which means something else in
/// every network.
public struct WeightNoise: DescribedRemovalAttack {
  /// Name in results.
  public let name: String
  /// Settings.
  public let options: WeightNoiseOptions

  /// The attack with these settings.
  ///
  /// - Throws: `RecipeError.setting`.
  public init(_ options: WeightNoiseOptions = WeightNoiseOptions(), name: String = "noise") throws {
    try SettingCheck(name).number("strength", options.strength)
    self.options = options
    self.name = name
  }

  /// Every setting.
  public var settings: JSONValue { ["noise": SettingsJSON.of(options)] }

  /// Nothing beyond the settings.
  public var remark: String { "" }

  /// A noisy copy of the stolen model.
  public func surrogate(of model: ImageClassifier, data: TrainingData, session: TrainingSession)
    throws -> ImageClassifier
  {
    let surrogate = try model.surrogateCopy(on: session.device)
    try surrogate.addNoise(options.strength, key: session.key.stream("removal/noise"))
    return surrogate
  }
}

extension ImageClassifier {
  /// Adds noise of `strength` times each weight tensor's own deviation.
  func addNoise(_ strength: Double, key: RandomKey) throws {
    try withoutGradients {
      for (place, weight) in weightTensors.enumerated() {
        let deviation = try weight.variance().sqrt().item()
        let noise = try key.step(place).normal(weight.shape).to(weight.device)
        try weight.copy(from: weight + noise * (strength * deviation))
      }
    }
  }
}
