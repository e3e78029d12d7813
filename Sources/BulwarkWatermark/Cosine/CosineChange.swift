import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// How CosWM changes an answer (Charette et al., AAAI 2022; vbdai/coswm, utils.py).
///
/// With q the answer to x, t a secret class, v a secret projection and c = cos(k · v·x):
///
///     q_t ← (q_t + ε (1 + c)) / (1 + 2ε),   q_j ← (q_j + ε (1 − c) / (C − 1)) / (1 + 2ε)
///
/// The published one is a **server's**: the network stays as it is, and whoever asks gets the changed answers.
public struct CosineChange: Sendable {
  /// What tells two changes apart; it tells nothing of the secret.
  public let identity: String
  private let amplitude: Double
  private let frequency: Double
  /// v, [1, C·H·W], float32, on the device.
  private let projection: Tensor
  /// 1 for the secret class, [1, classes], float32, on the device.
  private let isTarget: Tensor
  private let range: PixelRange

  /// The change of a key's signal.
  ///
  /// - Parameters:
  ///   - signal: of the key.
  ///   - amplitude: ε, above 0, at most 0.5.
  ///   - key: whose secret draws class and projection.
  ///   - normalization: of the images that come.
  ///   - device: where they are.
  /// - Throws: `TensorError`.
  init(
    _ signal: CosineSignal, amplitude: Double, key: WatermarkKey, _ normalization: Normalize,
    on device: Device
  ) throws {
    self.amplitude = amplitude
    frequency = signal.frequency
    projection = try signal.projection(key.secret, shape: key.shape).to(device).reshape([1, -1])
    isTarget = try Tensor([signal.target(of: key)]).oneHot(key.classes).to(.float32).to(device)
    range = try PixelRange(normalization, on: device)
    identity =
      SHA256Digest(
        of: key.secret.block("served answers")
          + Array("\(try JSONValue.text(of: signal)) \(amplitude)".utf8)
      ).description
  }

  /// The change that the owner's server makes; nil for a key whose mark is in the network itself.
  ///
  /// - Parameters:
  ///   - key: the owner's.
  ///   - normalization: of the images that come.
  ///   - device: where they are.
  /// - Throws: `TensorError`.
  public init?(servedBy key: WatermarkKey, _ normalization: Normalize, on device: Device) throws {
    guard let signal = key.mark.signal, let amplitude = signal.served else { return nil }
    try self.init(signal, amplitude: amplitude, key: key, normalization, on: device)
  }

  /// c of some images, in −1...1.
  ///
  /// - Parameter images: [B, C, H, W], float32, normalized, on the device.
  /// - Returns: [B, 1], float32.
  /// - Throws: `TensorError`.
  public func wave(_ images: Tensor) throws -> Tensor {
    let pixels = try range(images).contiguous().reshape([images.shape[0], -1])
    return try ((pixels * projection).sum([1], keep: true) * frequency).cos()
  }

  /// Changed probabilities.
  ///
  /// - Parameters:
  ///   - answers: q, [B, classes], float32; rows of sum 1.
  ///   - wave: of their images.
  /// - Returns: [B, classes], float32; rows of sum 1.
  /// - Throws: `TensorError`.
  public func probabilities(_ answers: Tensor, wave: Tensor) throws -> Tensor {
    let own = try isTarget.to(answers.device)
    let others = Double(max(1, own.shape[1] - 1))
    let added = try own * (wave + 1.0) + (1.0 - own) * ((1.0 - wave) / others)
    return try (answers + added * amplitude) / (1 + 2 * amplitude)
  }

  /// What a server gives for a network's logits: logarithms of the changed probabilities.
  ///
  /// - Parameters:
  ///   - logits: [B, classes], float32.
  ///   - wave: of their images, on the same device.
  /// - Returns: [B, classes], float32; probabilities below 1e-12 count as that.
  /// - Throws: `TensorError`.
  public func logits(_ logits: Tensor, wave: Tensor) throws -> Tensor {
    try probabilities(logits.softmax(1), wave: wave).clamp(min: 1e-12).log()
  }
}

extension ImageClassifier {
  /// Logits on a data set in evaluation mode, or what the owner's server makes of them.
  ///
  /// - Parameters:
  ///   - images: in stored order.
  ///   - normalization: how pixels become input.
  ///   - server: what changes answers on their way; nil for nothing.
  ///   - session: device and precision.
  ///   - view: makes input from stored pixels [B, C, H, W] uint8 and the number of the batch of 256; plain
  ///     normalization by default. The server sees what the model sees.
  /// - Returns: [N, classes], float32, CPU; a server's are logarithms of probabilities.
  /// - Throws: `TensorError`.
  func logits(
    of images: ImageDataset, _ normalization: Normalize, through server: CosineChange?,
    session: TrainingSession, view: ((Tensor, Int) throws -> Tensor)? = nil
  ) throws -> Tensor {
    guard let server else {
      return try logits(of: images, normalization, session: session, view: view)
    }
    var waves: [Tensor] = []
    let own = try logits(of: images, normalization, session: session) { pixels, batch in
      let input = try view?(pixels, batch) ?? normalization.prepare(pixels, on: session.device)
      waves.append(try server.wave(input).to(.cpu))
      return input
    }
    return try server.logits(own, wave: Tensor.cat(waves))
  }
}
