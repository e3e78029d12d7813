extension RankTest {
  /// The table's part of the rule that a verdict follows: the rank passes the level, the score is above every null
  /// model's, and the key leads the first foreign ones, which can only keep a claim back. A verdict on a suspect
  /// (`VerificationReport.verdict`) wants more; the removal suite judges surrogates by this.
  ///
  /// - Parameters:
  ///   - p: of the rank test.
  ///   - isLargest: `isLargestOfItsRowAndColumn`.
  ///   - level: largest p that counts as shown.
  /// - Returns: whether the table passes.
  public static func shows(p: Double, isLargest: Bool, level: Double) -> Bool {
    p <= level && isLargest
  }

  /// Whether the table passes at a level.
  public func shows(level: Double) -> Bool {
    RankTest.shows(p: p, isLargest: isLargestOfItsRowAndColumn, level: level)
  }
}
