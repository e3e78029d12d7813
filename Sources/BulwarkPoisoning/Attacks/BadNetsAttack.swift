import BulwarkTensor

/// A patch that overwrites a few pixels (Gu et al. 2017, arXiv 1708.06733).
///
/// The default patch is the official DBD one, 2×2 pixels in the upper left.
public struct BadNetsAttack: Hashable, Sendable, Codable {
  /// The patch.
  public var patch: PatchTrigger

  /// The attack with this patch.
  public init(patch: PatchTrigger = .dbd) { self.patch = patch }

  private enum CodingKeys: String, CodingKey, CaseIterable { case patch }

  /// Reads the parameters; missing ones take their defaults.
  public init(from decoder: any Decoder) throws {
    try decoder.refuseKeys(otherThan: ["kind"] + CodingKeys.allCases.map(\.rawValue))
    let values = try decoder.container(keyedBy: CodingKeys.self)
    patch = try values.decodeIfPresent(PatchTrigger.self, forKey: .patch) ?? .dbd
  }
}
