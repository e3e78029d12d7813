import BulwarkTensor

/// A fixed smooth warp as trigger, poison-only (Nguyen & Tran 2021, arXiv 2102.10369).
///
/// The paper's attack controls training and warps batches on the fly; this variant changes a stored
/// data set, as BackdoorBox's does. The field is drawn once from the seed and is the same in
/// training and testing. Parameters are those of the paper and of BackdoorBench (k 4, s 0.5); noise
/// mode is off as in BackdoorBox's CIFAR-10 configuration. DBD's own setting is not public.
public struct WaNetAttack: Hashable, Sendable, Codable {
  /// Side k of the grid of control points, 2...64.
  public var controlPoints: Int
  /// Strength s, 0...4; at 0.5 displacements stay below a pixel, at 0 nothing changes.
  public var strength: Double
  /// Factor on the sampling grid, above 0.
  public var rescale: Double
  /// Images warped with fresh noise whose label stays true, for every poisoned image: 0 is noise
  /// mode off, 2 is the paper's and BackdoorBench's noise mode.
  public var noiseRatio: Double

  /// The attack with these parameters.
  public init(
    controlPoints: Int = 4, strength: Double = 0.5, rescale: Double = 1, noiseRatio: Double = 0
  ) {
    self.controlPoints = controlPoints
    self.strength = strength
    self.rescale = rescale
    self.noiseRatio = noiseRatio
  }

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case controlPoints, strength, rescale, noiseRatio
  }

  /// Reads the parameters; missing ones take their defaults.
  public init(from decoder: any Decoder) throws {
    try decoder.refuseKeys(otherThan: ["kind"] + CodingKeys.allCases.map(\.rawValue))
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init()
    controlPoints = try values.decodeIfPresent(Int.self, forKey: .controlPoints) ?? controlPoints
    strength = try values.decodeIfPresent(Double.self, forKey: .strength) ?? strength
    rescale = try values.decodeIfPresent(Double.self, forKey: .rescale) ?? rescale
    noiseRatio = try values.decodeIfPresent(Double.self, forKey: .noiseRatio) ?? noiseRatio
  }

  func validate() throws {
    try require((2...64).contains(controlPoints), "controlPoints", controlPoints, "2...64")
    try require((0...4).contains(strength), "strength", strength, "0...4")
    try require(rescale > 0 && rescale <= 4, "rescale", rescale, "above 0, at most 4")
    try require((0...100).contains(noiseRatio), "noiseRatio", noiseRatio, "0...100")
  }

  /// The warp of this attack for one image form.
  /// - Parameters:
  ///   - form: of the images.
  ///   - key: the key of the attack's seed, `AttackSpec.key`.
  /// - Returns: the same warp for the same seed, whatever the images.
  /// - Throws: `PoisonError.invalidParameter` for images with a side of one pixel; `TensorError`.
  public func field(for form: ImageForm, key: RandomKey) throws -> WarpField {
    let points = try key.stream("wanet-field")
      .uniform([1, 2, controlPoints, controlPoints], from: -1, to: 1)
    return try WarpField(points: points, strength: strength, rescale: rescale, form: form)
  }
}
