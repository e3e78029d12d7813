/// How much evidence is asked for, and what may be asked of the suspect.
public struct VerificationOptions: Hashable, Sendable, Codable {
  /// Largest rank p-value that counts as shown.
  public var level: Double
  /// Number of foreign keys.
  public var foreignKeys: Int
  /// What may be asked of the suspect.
  public var access: SuspectAccess

  /// Level 1e-3 with 49 foreign keys: with 20 null models 21 · 50 = 1,050 cells, so that p can reach
  /// 9.5e-4.
  public init(level: Double = 1e-3, foreignKeys: Int = 49, access: SuspectAccess = .logits) {
    self.level = level
    self.foreignKeys = foreignKeys
    self.access = access
  }

  /// Checks the settings.
  ///
  /// - Throws: `WatermarkError.setting`.
  public func validate() throws {
    try WatermarkError.require(level > 0 && level < 1, "level", "between 0 and 1", level)
    try WatermarkError.require(foreignKeys >= 1, "foreign_keys", "at least 1", foreignKeys)
  }
}
