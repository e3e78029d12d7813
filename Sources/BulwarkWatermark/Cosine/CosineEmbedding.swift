import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Settings of CosWM.
public struct CosineOptions: Hashable, Sendable, Codable {
  /// Amplitude ε of the signal.
  public var amplitude: Double
  /// Frequency and projection.
  public var signal: CosineSignal
  /// Whether a server changes the answers, as in the paper, or else the network learns to give changed ones itself,
  /// without which nothing that is stolen as weights could be shown.
  public var served: Bool

  /// The published values: ε 0.05, k 30, a server (vbdai/coswm, utils.py).
  public init(
    amplitude: Double = 0.05, signal: CosineSignal = CosineSignal(), served: Bool = true
  ) {
    self.amplitude = amplitude
    self.signal = signal
    self.served = served
  }

  /// The signal as the key states it.
  public var keySignal: CosineSignal {
    var stated = signal
    stated.served = served ? amplitude : nil
    return stated
  }

  func validate() throws {
    let check = SettingCheck("watermark.coswm")
    try check.number("amplitude", amplitude, to: 0.5, isAbove: true)
    try check.number("signal.frequency", signal.frequency, isAbove: true)
    try check.whole("signal.grid", signal.grid, in: 0...8192)
    try check.require(
      signal.served == nil, "signal.served", "left out; watermark.coswm.served says it",
      signal.served ?? 0)
  }
}

/// CosWM (Charette et al., AAAI 2022; vbdai/coswm, utils.py): a cosine of a secret projection of the input
/// in the soft answers to ordinary images (`CosineChange`).
///
/// With `served`, as published, the network learns to be right through the change (the logarithm of the changed
/// probability of the label), and a server makes it; weights alone carry no mark. Without it, which is a deviation, the
/// network learns to give changed answers itself (cross-entropy against changed one-hot labels), since what is stolen
/// and attacked here is a network. A small network may fail to learn a fast cosine of a fine projection: then the host
/// itself shows no mark, and `verify` says so.
final class CosineEmbedding: WatermarkProcedure {
  private let context: HostContext
  private let isServed: Bool
  private let change: CosineChange

  init(_ context: HostContext, _ options: CosineOptions) throws {
    self.context = context
    let key = context.key
    guard let signal = key.mark.signal else {
      throw WatermarkError.badKey("the key", reason: "it describes no signal")
    }
    isServed = signal.served != nil
    try SettingCheck("training").require(
      !isServed || context.training.labelSmoothing == 0, "label_smoothing",
      "0 with watermark.coswm.served, since a network learns smooth labels through the change by undoing it",
      context.training.labelSmoothing)
    change = try CosineChange(
      signal, amplitude: signal.served ?? options.amplitude, key: key, context.data.normalization,
      on: context.session.device)
  }

  func loss(_ pass: HostPass) throws -> Tensor {
    let logits = try context.logits(context.model, pass.images, .training)
    let labels = try withoutGradients { try probabilities(pass) }
    let wave = try withoutGradients { try change.wave(pass.images) }
    if isServed {
      return try -(labels * change.logits(logits, wave: wave)).sum([1]).mean()
    }
    let changed = try withoutGradients { try change.probabilities(labels, wave: wave) }
    return try SoftLoss.crossEntropy(changed, logits, temperature: 1)
  }

  var findings: [String: JSONValue] {
    isServed
      ? ["signal_power_ratio": "of the server's answers; clean_accuracy is the network's own"] : [:]
  }

  /// Labels as probabilities, [B, classes].
  private func probabilities(_ pass: HostPass) throws -> Tensor {
    let smoothing = context.training.labelSmoothing
    let classes = context.key.classes
    return try pass.labels.oneHot(classes).to(.float32) * (1 - smoothing)
      + smoothing / Double(classes)
  }
}
