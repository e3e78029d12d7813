import BulwarkTraining

/// How much evidence is asked for, and what may be asked of the suspect.
public struct VerificationOptions: Hashable, Sendable, Codable {
  /// Largest rank p-value that counts as shown, over all commitments of the owner together.
  public var level: Double
  /// Number of commitments that the owner has published: each is one more chance of a lucky key.
  public var commitments: Int
  /// Number of foreign keys, the first ones, that the owner's key must lead on the suspect, whatever the level. Null
  /// models are scored under these; where keys are compared by excess, under all.
  public var foreignKeys: Int
  /// Number of foreign keys that the suspect is scored under in all, the first `foreignKeys` among them:
  /// the rank among keys cannot go below 1 / (1 + this number).
  public var suspectKeys: Int
  /// What may be asked of the suspect.
  public var access: SuspectAccess
  /// What the rank among keys compares.
  public var keyRank: RankTest.KeyRank
  /// What of a mark of tilted answers is read; other schemes have one reading, `both`. To be fixed beforehand, as
  /// `access` is: every other way of reading that was tried is one more test, to be counted with `commitments`.
  public var reading: TiltReading

  /// Level 1e-3 with 999 foreign keys, so that the suspect's rank among keys can be 1e-3, compared by excess; one
  /// commitment. By score 49 of them for every model: with 20 null models 21 · 50 = 1,050 cells can give p = 9.5e-4.
  public init(
    level: Double = 1e-3, commitments: Int = 1, foreignKeys: Int = 49, suspectKeys: Int = 999,
    access: SuspectAccess = .logits, keyRank: RankTest.KeyRank = .excess,
    reading: TiltReading = .both
  ) {
    self.level = level
    self.commitments = commitments
    self.foreignKeys = foreignKeys
    self.suspectKeys = suspectKeys
    self.access = access
    self.keyRank = keyRank
    self.reading = reading
  }

  /// The level at which one key is tested: `level` / `commitments`.
  public var testedLevel: Double { level / Double(commitments) }

  /// Foreign keys that the suspect is scored under: `suspectKeys`, or `foreignKeys` where these are more.
  public var allKeys: Int { max(foreignKeys, suspectKeys) }

  /// Foreign keys that null models are scored under, too: `foreignKeys`, or all where keys are compared by excess.
  public var tableKeys: Int { keyRank == .excess ? allKeys : foreignKeys }

  /// Checks the settings.
  ///
  /// - Parameter scheme: of the key; nil where it is not known yet.
  /// - Throws: `RecipeError.setting`.
  public func validate(_ scheme: WatermarkScheme? = nil) throws {
    let check = SettingCheck("evidence")
    try check.require(
      reading == .both || scheme == nil || scheme == .tilted, "reading",
      "both for a key of \(scheme?.rawValue ?? "another scheme"): others are for tilted",
      reading.rawValue)
    try check.number("level", level, to: 1, isAbove: true, isBelow: true)
    try check.whole("commitments", commitments, in: 1...SettingCheck.mostUnits)
    try check.whole("foreign_keys", foreignKeys, in: 1...SettingCheck.mostUnits)
    try check.whole("suspect_keys", suspectKeys, in: 1...SettingCheck.mostUnits)
  }
}
