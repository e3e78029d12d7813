import BulwarkTensor
import Foundation

/// SIG: a sinusoid over the columns, clean-label (Barni et al. 2019, arXiv 1902.11237):
/// x' = x + Δ sin(2π j f / W) for column j = 0 ..< W, clipped and truncated to 8 bits.
///
/// The published CIFAR-10 numbers (BackdoorBench, `config/attack/sig/default.yaml`) use Δ 40 and f 6
/// in training and testing, so these are the defaults; the paper's Δ is 20 for color images, and it
/// tests with larger ones. Deviation: the sum is taken in float32; BackdoorBench's in float64 lets
/// sin(nπ) ≠ 0 push a column one gray level down where the wave crosses zero.
public struct SinusoidAttack: Hashable, Sendable, Codable {
  /// Amplitude Δ in training images, in gray levels, 0...255.
  public var amplitude: Double
  /// Amplitude in test images; nil means `amplitude`.
  public var testAmplitude: Double?
  /// Periods f over the width, above 0.
  public var frequency: Double

  /// The attack with these parameters.
  public init(amplitude: Double = 40, testAmplitude: Double? = nil, frequency: Double = 6) {
    self.amplitude = amplitude
    self.testAmplitude = testAmplitude
    self.frequency = frequency
  }

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case amplitude, testAmplitude, frequency
  }

  /// Reads the parameters; missing ones take their defaults.
  public init(from decoder: any Decoder) throws {
    try decoder.refuseKeys(otherThan: ["kind"] + CodingKeys.allCases.map(\.rawValue))
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init()
    amplitude = try values.decodeIfPresent(Double.self, forKey: .amplitude) ?? amplitude
    testAmplitude = try values.decodeIfPresent(Double.self, forKey: .testAmplitude)
    frequency = try values.decodeIfPresent(Double.self, forKey: .frequency) ?? frequency
  }

  func validate() throws {
    try require((0...255).contains(amplitude), "amplitude", amplitude, "0...255")
    if let testAmplitude {
      try require((0...255).contains(testAmplitude), "testAmplitude", testAmplitude, "0...255")
    }
    try require(frequency > 0 && frequency <= 1000, "frequency", frequency, "above 0, at most 1000")
  }

  func prepared(for form: ImageForm, phase: Phase) throws -> any Trigger {
    let delta = phase == .training ? amplitude : testAmplitude ?? amplitude
    let wave = (0..<form.width).map { column in
      Float(delta * sin(2 * Double.pi * Double(column) * frequency / Double(form.width)))
    }
    return Addition(pattern: try Tensor(wave, shape: [1, 1, 1, form.width]))
  }
}
