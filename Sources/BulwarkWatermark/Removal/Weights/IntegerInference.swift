import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Settings of integer inference.
public struct IntegerInferenceOptions: Hashable, Sendable, Codable {
  /// The attacker's images that the ranges of layers are taken from, at least 1.
  public var images: Int

  /// A thousand images by default.
  public init(images: Int = 1000) { self.images = images }
}

/// Integer inference: convolutions and linear layers compute on 8-bit integers, products are summed as
/// 32-bit integers. The arithmetic is LibTorch's own, not a simulation (`ImageClassifier.useIntegers`, post-training
/// static quantization with min-max ranges and one scale for each output channel); normalization,
/// activation and pooling stay in floating point.
public struct IntegerInference: DescribedRemovalAttack {
  /// Name in results.
  public let name: String
  /// Settings.
  public let options: IntegerInferenceOptions

  /// The attack with these settings.
  ///
  /// - Throws: `RecipeError.setting`.
  public init(
    _ options: IntegerInferenceOptions = IntegerInferenceOptions(), name: String = "int8"
  ) throws {
    try SettingCheck(name).whole("images", options.images, in: 1...SettingCheck.mostUnits)
    self.options = options
    self.name = name
  }

  /// Every setting.
  public var settings: JSONValue { ["int8": SettingsJSON.of(options)] }

  /// That the integers are real.
  public var remark: String { "integer arithmetic, not simulated: 8-bit weights and activations" }

  /// Nothing can be trained or pruned afterwards.
  public var endsChain: Bool { true }

  /// A copy of the stolen model that computes on integers. The random key is not used.
  public func surrogate(of model: ImageClassifier, data: TrainingData, session: TrainingSession)
    throws -> ImageClassifier
  {
    let surrogate = try model.surrogateCopy(on: session.device)
    let images = try data.train.subset(
      SampleSelection.balanced(
        labels: data.train.labels, classCount: data.train.classCount, limit: options.images))
    let size = 250
    let batches = try stride(from: 0, to: images.count, by: size).map { start in
      try data.evaluator.normalization.prepare(
        images.images.narrow(0, start: start, length: min(size, images.count - start)),
        on: session.device)
    }
    try surrogate.useIntegers(calibratedOn: batches)
    return surrogate
  }
}
