extension RankTest {
  /// The rule that every verdict follows: the rank passes the level, and the score itself is above all
  /// others of its row and column. The second condition can only keep a claim back.
  ///
  /// - Parameters:
  ///   - p: of the rank test.
  ///   - isLargest: `isLargestOfItsRowAndColumn`.
  ///   - level: largest p that counts as shown.
  /// - Returns: whether derivation is shown.
  public static func shows(p: Double, isLargest: Bool, level: Double) -> Bool {
    p <= level && isLargest
  }

  /// Whether the table shows that the suspect is derived, at a level.
  public func shows(level: Double) -> Bool {
    RankTest.shows(p: p, isLargest: isLargestOfItsRowAndColumn, level: level)
  }
}
