import Foundation

/// The evidence about one suspect, and what follows from it.
public struct VerificationReport: Hashable, Sendable, Codable {
  /// What the evidence shows.
  public enum Verdict: String, Hashable, Sendable, Codable {
    /// The suspect was derived from the owner's model, at the level.
    case derived
    /// It is not shown.
    case notShown = "not_shown"
    /// The suspect has no place for the mark, so nothing was tested.
    case notApplicable = "not_applicable"
  }

  /// What was counted.
  public struct Counted: Hashable, Sendable, Codable {
    /// Carriers answered, or bits read, as the key says.
    public var hits: Int
    /// Out of how many.
    public var count: Int
    /// Chance of each without the key; nil where hits are not independent.
    public var chance: Double?
    /// log10 of the exact binomial tail; nil where hits are not independent.
    public var log10P: Double?
  }

  /// Scheme of the key.
  public let scheme: WatermarkScheme
  /// Whose key it is.
  public let owner: String
  /// What was asked of the suspect.
  public let access: SuspectAccess
  /// Largest rank p-value that counts as shown.
  public let level: Double
  /// Name of the score.
  public let metric: String
  /// Carriers, bits or images behind a score.
  public let count: Int
  /// The suspect's score among all others; nil when it has none.
  public let rank: RankTest?
  /// What was counted.
  public let counted: Counted?
  /// The suspect's accuracy on clean images.
  public let cleanAccuracy: Double
  /// Number of clean images.
  public let cleanImages: Int
  /// Share of clean images that the suspect puts in each class.
  public let classShares: [Double]

  /// What follows: derived when the rank test passes the level and the score itself is above all others
  /// of its row and column. The second condition can only keep a claim back.
  public var verdict: Verdict {
    guard let rank else { return .notApplicable }
    return rank.p <= level && rank.isLargestOfItsRowAndColumn ? .derived : .notShown
  }

  /// The verdict in one sentence.
  public var sentence: String {
    guard let rank else {
      return "Not applicable: the suspect has no place for a mark of scheme \(scheme.rawValue), or "
        + "there are no null models to hold it against; nothing is shown."
    }
    let evidence =
      "the excess of its \(metric) of \(short(rank.observed)) under \(owner)'s key is reached by "
      + "\(rank.reached) of \(rank.cells - 1) other (model, key) pairs (rank p = \(short(rank.p)), "
      + "level \(short(level)))"
    switch verdict {
    case .derived: return "Derived: \(evidence)."
    case .notShown where rank.smallestP > level:
      return "Not shown: \(evidence); so few pairs cannot reach the level, the smallest possible p "
        + "is \(short(rank.smallestP))."
    case .notShown where rank.p <= level:
      return "Not shown: \(evidence), but a null model or a foreign key scores as high."
    default: return "Not shown: \(evidence)."
    }
  }

  /// Summary of some scores: smallest, median, largest.
  public static func summary(_ scores: [Double]) -> (low: Double, median: Double, high: Double) {
    let sorted = scores.sorted()
    guard let low = sorted.first, let high = sorted.last else { return (.nan, .nan, .nan) }
    let middle = sorted.count / 2
    let median =
      sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    return (low, median, high)
  }

  private func short(_ value: Double) -> String { String(format: "%.3g", value) }
}
