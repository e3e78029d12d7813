import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Settings of weight quantization.
public struct WeightQuantizationOptions: Hashable, Sendable, Codable {
  /// Bits of a weight, 1...16.
  public var bits: Int

  /// Eight bits by default.
  public init(bits: Int = 8) { self.bits = bits }
}

/// Weight quantization: 2^b equal bins between smallest and largest weight of each tensor, every weight
/// moved to the middle of its bin.
///
/// **Simulated**: the weights stand on 2^b levels, the arithmetic stays floating-point; `IntegerInference`
/// computes on integers. Convolutions and linear layers only, as in integer inference; the SoK toolbox
/// (`wrt/attacks/removal/weight_quantization.py`) takes batch normalization too, makes 2^b − 1 bins and
/// then trains one epoch: `quantize:bits=5+ftal:epochs=1`.
public struct WeightQuantization: DescribedRemovalAttack {
  /// Name in results.
  public let name: String
  /// Settings.
  public let options: WeightQuantizationOptions

  /// The attack with these settings.
  ///
  /// - Throws: `RecipeError.setting`.
  public init(
    _ options: WeightQuantizationOptions = WeightQuantizationOptions(), name: String = "quantize"
  ) throws {
    try SettingCheck(name).whole("bits", options.bits, in: 1...16)
    self.options = options
    self.name = name
  }

  /// Every setting.
  public var settings: JSONValue { ["quantize": SettingsJSON.of(options)] }

  /// That the integers are simulated.
  public var remark: String {
    "simulated: weights on \(1 << options.bits) levels, floating-point arithmetic"
  }

  /// A quantized copy of the stolen model. The random key is not used.
  public func surrogate(of model: ImageClassifier, data: TrainingData, session: TrainingSession)
    throws -> ImageClassifier
  {
    let surrogate = try model.surrogateCopy(on: session.device)
    let levels = Double(1 << options.bits)
    try withoutGradients {
      for weight in surrogate.weightTensors {
        let low = try weight.min().item()
        let width = try (weight.max().item() - low) / levels
        // A tensor of one value is on one level already.
        guard width > 0 else { continue }
        let bin = try ((weight - low) / width).floor().clamp(min: 0, max: levels - 1)
        try weight.copy(from: (bin + 0.5) * width + low)
      }
    }
    return surrogate
  }
}
