import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// Settings of Uchida's watermark.
public struct UchidaOptions: Hashable, Sendable, Codable {
  /// Number of bits.
  public var bits: Int
  /// Weight λ of the embedding loss, which sums over the bits.
  public var weight: Double
  /// Name of the convolution kernel; empty takes the first one of at least four weights a bit.
  public var layer: String

  /// 64 bits at λ 0.01 (yu4u/dnn-watermark, train_wrn.py: 256 bits in a kernel of 576).
  public init(bits: Int = 64, weight: Double = 0.01, layer: String = "") {
    self.bits = bits
    self.weight = weight
    self.layer = layer
  }

  func validate() throws {
    let check = SettingCheck("watermark.uchida")
    try check.whole("bits", bits, in: 1...SettingCheck.mostUnits)
    try check.number("weight", weight)
  }

  /// Finds the kernel in an architecture.
  ///
  /// - Parameter architecture: of the host.
  /// - Returns: the place that goes into the key.
  /// - Throws: `RecipeError.setting` when there is no such kernel, or none that is large enough.
  public func place(in architecture: Architecture) throws -> BitPlace {
    let model = try architecture.build(key: RandomKey(seed: 0))
    let kernels = model.state.parameters.filter { $0.tensor.rank == 4 }
    func length(_ entry: ParameterStore.Entry) -> Int {
      entry.tensor.shape.dropFirst().reduce(1, *)
    }
    let found =
      layer.isEmpty
      ? kernels.first { length($0) >= 4 * bits } ?? kernels.max { length($0) < length($1) }
      : kernels.first { $0.name == layer }
    guard let found else {
      throw RecipeError.setting(
        "watermark.uchida.layer", expected: "one of \(kernels.map(\.name).joined(separator: ", "))",
        found: layer)
    }
    try SettingCheck("watermark.uchida").require(
      bits < length(found), "bits",
      "below the \(length(found)) weights of a filter of \(found.name)", bits)
    try SettingCheck("watermark.uchida").require(
      bits <= BitPlace.mostNumbers / length(found), "bits",
      "at most \(BitPlace.mostNumbers / length(found)) for filters of \(found.name)", bits)
    return BitPlace(layer: found.name, shape: found.tensor.shape, bits: bits)
  }
}

/// Where the bits of a weight watermark are read.
public struct BitPlace: Hashable, Sendable, Codable {
  /// Numbers of a projection: 64 MiB. Verification holds those of many keys at once.
  static let mostNumbers = 1 << 24

  /// Name of the kernel.
  public var layer: String
  /// [out, in, k, k].
  public var shape: [Int]
  /// Number of bits.
  public var bits: Int

  /// The secret projection X, [bits, in·k·k], float32, standard normal.
  func projection(_ secret: WatermarkSecret) throws -> Tensor {
    let length = shape.dropFirst().reduce(1, *)
    return try Tensor(
      secret.normals("projection", count: bits * length), shape: [bits, length])
  }

  /// The bits that belong to a secret.
  func bits(_ secret: WatermarkSecret) -> [Bool] { secret.bits("bits", count: bits) }

  /// The vector that is projected: the mean of the kernel over its output filters, flattened in the
  /// order (in, k, k) of LibTorch's weights; [in·k·k].
  ///
  /// - Parameter kernel: [out, in, k, k].
  /// - Returns: [in·k·k].
  /// - Throws: `TensorError`.
  static func meanFilter(_ kernel: Tensor) throws -> Tensor {
    try kernel.mean([0]).contiguous().reshape([-1])
  }
}

/// Uchida et al. 2017 (yu4u/dnn-watermark, watermark_regularizers.py): bits in the mean filter w of one
/// kernel.
///
/// Loss: E_task + λ · Σ_j BCE(b_j, sigmoid(X_j · w)), summed over the bits. Facts that keep a verifier
/// honest: X and b both follow from the secret; with a free X any weights give any bits.
final class UchidaEmbedding: WatermarkProcedure {
  private let context: HostContext
  private let options: UchidaOptions
  private let kernel: Tensor
  private let projection: Tensor
  /// 1 − 2b for each bit.
  private let signs: Tensor

  init(_ context: HostContext, _ options: UchidaOptions) throws {
    self.context = context
    self.options = options
    guard let place = context.key.mark.bits, let kernel = context.model.state[place.layer],
      kernel.shape == place.shape
    else { throw WatermarkError.mismatch("the host has no kernel like the key's") }
    self.kernel = kernel
    let secret = context.key.secret
    let device = context.session.device
    projection = try place.projection(secret).to(device)
    signs = try Tensor(place.bits(secret).map { Float($0 ? -1 : 1) }).to(device)
  }

  func loss(_ pass: HostPass) throws -> Tensor {
    let task = try context.logits(context.model, pass.images, .training).crossEntropy(
      pass.labels, labelSmoothing: context.training.labelSmoothing)
    let answers = try (projection * BitPlace.meanFilter(kernel).reshape([1, -1])).sum([1])
    // BCE(b, sigmoid(z)) = softplus((1 − 2b) · z).
    return try task + (signs * answers).softplus().sum() * options.weight
  }
}
