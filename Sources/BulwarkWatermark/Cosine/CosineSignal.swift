import BulwarkData
import BulwarkTensor

/// The signal of CosWM: where it lives and how it is found again; part of the key.
public struct CosineSignal: Hashable, Sendable, Codable {
  /// Angular frequency k of the cosine in the projection v · x.
  public var frequency: Double
  /// Cells a side in which the secret projection is constant; 0 for one value a pixel, as in the paper.
  public var grid: Int
  /// Amplitude with which the owner's server changes answers; nil where the network itself gives changed ones.
  public var served: Double?

  /// A signal; 30 is the published frequency.
  public init(frequency: Double = 30, grid: Int = 0, served: Double? = nil) {
    self.frequency = frequency
    self.grid = grid
    self.served = served
  }

  /// The class whose probability carries a key's signal.
  public func target(of key: WatermarkKey) -> Int { target(key.secret, classes: key.classes) }

  /// The class whose probability carries the signal.
  func target(_ secret: WatermarkSecret, classes: Int) -> Int {
    secret.integers("signal class", count: 1, below: classes)[0]
  }

  /// The secret projection v, [C·H·W], float32, of unit length.
  ///
  /// - Parameters:
  ///   - secret: of the key.
  ///   - shape: [C, H, W].
  /// - Returns: [C·H·W], float32, on the CPU.
  /// - Throws: `TensorError`.
  func projection(_ secret: WatermarkSecret, shape: [Int]) throws -> Tensor {
    let drawn = grid > 0 ? [1, shape[0], grid, grid] : [1] + shape
    var field = try Tensor(
      secret.normals("signal projection", count: drawn.reduce(1, *)), shape: drawn)
    if grid > 0 {
      field = try field.interpolate(height: shape[1], width: shape[2], mode: .nearest)
    }
    field = try field.contiguous().reshape([-1])
    return try field / field.norm()
  }

  /// Lomb and Scargle's normalized power of a series at some angular frequencies.
  ///
  /// - Parameters:
  ///   - values: [N], float32.
  ///   - places: [N], float32: where the values were taken.
  ///   - frequencies: [F], float32, above 0.
  /// - Returns: [F], float32; of order 1 for noise. Cost: O(N F).
  /// - Throws: `TensorError`.
  static func power(_ values: Tensor, _ places: Tensor, frequencies: Tensor) throws -> Tensor {
    let count = frequencies.count
    let centered = try values - values.mean()
    let variance = max(try values.variance().item(), 1e-20)
    let angle = try frequencies.reshape([count, 1]) * places.reshape([1, places.count])
    let double = try angle * 2.0
    let shift = try double.sin().sum([1], keep: true).atan2(double.cos().sum([1], keep: true)) / 2.0
    let (cosine, sine) = (try (angle - shift).cos(), try (angle - shift).sin())
    func part(_ wave: Tensor) throws -> Tensor {
      let product = try (wave * centered.reshape([1, places.count])).sum([1])
      return try product.square() / wave.square().sum([1]).clamp(min: 1e-12)
    }
    return try (part(cosine) + part(sine)) / (2 * variance)
  }

  /// Power at the key's frequency over the mean power at 60 others between a quarter and twice of it.
  func powerRatio(_ values: Tensor, _ places: Tensor) throws -> Double {
    let shares: [Double] = (0..<60).map { 0.25 + 1.75 * (Double($0) + 0.5) / 60 }
    let others: [Float] = shares.filter { abs($0 - 1) > 0.1 }.map { Float($0 * frequency) }
    let all = try CosineSignal.power(
      values, places, frequencies: Tensor([Float(frequency)] + others)
    ).doubles()
    let mean = all.dropFirst().reduce(0, +) / Double(others.count)
    return all[0] / max(mean, 1e-20)
  }
}
