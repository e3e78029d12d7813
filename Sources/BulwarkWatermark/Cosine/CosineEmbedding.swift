import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// Settings of CosWM.
public struct CosineOptions: Hashable, Sendable, Codable {
  /// Amplitude ε of the signal.
  public var amplitude: Double
  /// Frequency and projection.
  public var signal: CosineSignal

  /// The published values: ε 0.05, k 30 (vbdai/coswm, utils.py).
  public init(amplitude: Double = 0.05, signal: CosineSignal = CosineSignal()) {
    self.amplitude = amplitude
    self.signal = signal
  }

  func validate() throws {
    let check = SettingCheck("watermark.coswm")
    try check.number("amplitude", amplitude, to: 0.5, isAbove: true)
    try check.number("signal.frequency", signal.frequency, isAbove: true)
    try check.whole("signal.grid", signal.grid, in: 0...8192)
  }
}

/// CosWM (Charette et al., AAAI 2022; vbdai/coswm, utils.py): a cosine of a secret projection of the input
/// in the soft answers to ordinary images.
///
/// With q the answer, t a secret class, v a secret projection and c = cos(k · v·x):
///
///     q_t ← (q_t + ε (1 + c)) / (1 + 2ε),   q_j ← (q_j + ε (1 − c) / (C − 1)) / (1 + 2ε)
///
/// Deviation: there the server changes its answers, and the network learns to be right through the change;
/// here the network learns to give the changed answer itself (cross-entropy against the changed one-hot
/// label), since what is stolen and attacked is a network. A small network may fail to learn a fast
/// cosine of a fine projection: then the host itself shows no mark, and `verify` says so.
final class CosineEmbedding: WatermarkProcedure {
  private let context: HostContext
  private let options: CosineOptions
  private let projection: Tensor
  private let signal: CosineSignal
  private let target: Int
  private let range: PixelRange

  init(_ context: HostContext, _ options: CosineOptions) throws {
    self.context = context
    self.options = options
    guard let signal = context.key.mark.signal else {
      throw WatermarkError.badKey("the key", reason: "it describes no signal")
    }
    self.signal = signal
    let key = context.key
    let device = context.session.device
    projection = try signal.projection(key.secret, shape: key.shape).to(device)
    target = signal.target(key.secret, classes: key.classes)
    range = try context.pixels
  }

  func loss(_ pass: HostPass) throws -> Tensor {
    let logits = try context.logits(context.model, pass.images, .training)
    return try SoftLoss.crossEntropy(answers(pass), logits, temperature: 1)
  }

  /// The changed one-hot labels of the images as the host sees them, [B, classes].
  private func answers(_ pass: HostPass) throws -> Tensor {
    try withoutGradients {
      let (count, classes) = (pass.labels.count, context.key.classes)
      let pixels = try range(pass.images).contiguous().reshape([count, -1])
      let places = try (pixels * projection.reshape([1, -1])).sum([1], keep: true)
      let wave = try (places * signal.frequency).cos()
      let isTarget = try Tensor([target]).to(pass.labels.device).oneHot(classes).to(.float32)
      let added =
        try isTarget * (wave + 1.0)
        + (1.0 - isTarget) * ((1.0 - wave) / Double(max(1, classes - 1)))
      let smoothing = context.training.labelSmoothing
      let hard =
        try pass.labels.oneHot(classes).to(.float32) * (1 - smoothing)
        + smoothing / Double(classes)
      return try (hard + added * options.amplitude) / (1 + 2 * options.amplitude)
    }
  }
}
