import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Settings of softened answers.
public struct AnswerSofteningOptions: Hashable, Sendable, Codable {
  /// What logits are divided by, above 0; below 1 answers become sharper.
  public var temperature: Double

  /// A thousand by default: every probability is about 1 / C.
  public init(temperature: Double = 1000) { self.temperature = temperature }
}

/// Divides the last layer by a temperature: every first answer stays, the probabilities become flat. It
/// costs nothing and would end any mark that is read from probabilities as they come.
public struct AnswerSoftening: DescribedRemovalAttack {
  /// Name in results.
  public let name: String
  /// Settings.
  public let options: AnswerSofteningOptions

  /// The attack with these settings.
  ///
  /// - Throws: `RecipeError.setting`.
  public init(
    _ options: AnswerSofteningOptions = AnswerSofteningOptions(), name: String = "soften"
  ) throws {
    try SettingCheck(name).number("temperature", options.temperature, to: 1e6, isAbove: true)
    self.options = options
    self.name = name
  }

  /// Every setting.
  public var settings: JSONValue { ["soften": SettingsJSON.of(options)] }

  /// Nothing beyond the settings.
  public var remark: String { "" }

  /// A copy of the stolen model with other probabilities.
  public func surrogate(of model: ImageClassifier, data: TrainingData, session: TrainingSession)
    throws -> ImageClassifier
  {
    let surrogate = try model.surrogateCopy(on: session.device)
    try withoutGradients {
      for tensor in [surrogate.head.weight, surrogate.head.bias] {
        try tensor.copy(from: tensor / options.temperature)
      }
    }
    return surrogate
  }
}
