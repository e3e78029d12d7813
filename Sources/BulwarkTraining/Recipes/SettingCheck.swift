/// Checks the settings of a group; the first that does not fit is named with what it may be and what it
/// is.
public struct SettingCheck: Sendable {
  /// Counts of epochs, steps and images beyond this are slips; their products stay within an `Int`.
  public static let mostUnits = 1_000_000

  private let group: String

  /// A check of one group.
  ///
  /// - Parameter group: key of the group in the recipe, for instance `dbd.head`; empty for the top.
  public init(_ group: String = "") { self.group = group }

  /// Demands anything.
  ///
  /// - Parameters:
  ///   - holds: whether the value fits.
  ///   - key: of the setting within the group.
  ///   - expected: what the setting may be, in words.
  ///   - found: what it is.
  /// - Throws: `RecipeError.setting` unless it holds.
  public func require(_ holds: Bool, _ key: String, _ expected: String, _ found: some Any) throws {
    guard !holds else { return }
    throw RecipeError.setting(
      group.isEmpty ? key : "\(group).\(key)", expected: expected, found: "\(found)")
  }

  /// Demands a whole number in a range.
  ///
  /// - Parameters:
  ///   - key: of the setting within the group.
  ///   - value: what it is.
  ///   - range: what it may be.
  /// - Throws: `RecipeError.setting`.
  public func whole(_ key: String, _ value: Int, in range: ClosedRange<Int>) throws {
    try require(
      range.contains(value), key, "a whole number in \(range.lowerBound)...\(range.upperBound)",
      value)
  }

  /// Demands a finite number in a range.
  ///
  /// - Parameters:
  ///   - key: of the setting within the group.
  ///   - value: what it is.
  ///   - low: smallest value.
  ///   - high: largest value; infinite for none.
  ///   - isAbove: whether the value must be larger than `low`.
  ///   - isBelow: whether it must be smaller than `high`.
  /// - Throws: `RecipeError.setting`.
  public func number(
    _ key: String, _ value: Double, from low: Double = 0, to high: Double = .infinity,
    isAbove: Bool = false, isBelow: Bool = false
  ) throws {
    func spoken(_ bound: Double) -> String {
      bound == bound.rounded() && abs(bound) < 1e9 ? "\(Int(bound))" : "\(bound)"
    }
    let fits =
      value.isFinite && (isAbove ? value > low : value >= low)
      && (isBelow ? value < high : value <= high)
    var words = (isAbove ? "above " : "at least ") + spoken(low)
    if high.isFinite { words += (isBelow ? " and below " : " and at most ") + spoken(high) }
    try require(fits, key, "a number " + words, value)
  }
}
