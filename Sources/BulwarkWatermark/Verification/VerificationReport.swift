import Foundation

/// The evidence about one suspect, and what follows from it.
public struct VerificationReport: Hashable, Sendable, Codable {
  /// What the evidence shows.
  public enum Verdict: String, Hashable, Sendable, Codable {
    /// The suspect was derived from the owner's model, at the level.
    case derived
    /// The evidence would be enough, but the key opened no published commitment: whoever has the suspect
    /// can make such a key.
    case notCommitted = "not_committed"
    /// It is not shown.
    case notShown = "not_shown"
    /// The suspect has no place for the mark, so nothing was tested.
    case notApplicable = "not_applicable"
  }

  /// What was counted.
  public struct Counted: Hashable, Sendable, Codable {
    /// Why no binomial p is given.
    public enum Reason: String, Hashable, Sendable, Codable {
      /// Carriers share labels, so hits are not independent.
      case sharedLabels = "shared_labels"
      /// The labels may have been chosen after the suspect was seen.
      case notCommitted = "not_committed"
      /// The labels follow from what the owner says is the truth about images that were not drawn again.
      case notDrawn = "not_drawn"
    }

    /// Carriers answered, or bits read, as the key says.
    public var hits: Int
    /// Out of how many.
    public var count: Int
    /// Chance of each without the key; nil where hits are not independent whatever the owner did.
    public var chance: Double?
    /// log10 of the exact binomial tail; nil where there is no chance.
    public var log10P: Double?
    /// Why there is none; nil where there is one.
    public var withheld: Reason?
    /// The same for each kind of carriers, by its name; nil where all are of one kind.
    public var kinds: [String: Counted]?
  }

  /// Scheme of the key.
  public let scheme: WatermarkScheme
  /// Whose key it is.
  public let owner: String
  /// What was asked of the suspect.
  public let access: SuspectAccess
  /// Largest rank p-value that counts as shown, over all commitments of the owner together.
  public let level: Double
  /// Number of commitments that the owner has published.
  public let commitments: Int
  /// Name of the score.
  public let metric: String
  /// Carriers, bits or images behind a score.
  public let count: Int
  /// Whether the key opened a published commitment.
  public let isCommitted: Bool
  /// Whether the key's images and labels are what its secret draws from the owner's training set.
  public let isDrawn: Bool
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

  /// The level at which this one key is tested. Whoever published N commitments may open the one that fits
  /// best, so each is held to `level` / N, and all together to `level` (Bonferroni).
  public var testedLevel: Double { level / Double(commitments) }

  /// What follows, with the level that this key is tested at. Derived takes all of this:
  ///
  /// 1. The key opened a published commitment.
  /// 2. The rank among keys on the suspect, of scores or of what is beyond the null models', is at most the level:
  ///    holds for any suspect.
  /// 3. The score is above every null model's: the most that they can say about any key.
  /// 4. The rank of the excess in the table is at most the level, and the owner's key leads the first foreign ones
  ///    (`RankTest.leading`) on the suspect.
  /// 5. Where the key's images were not drawn again, the rank among models is at most the level, too: they
  ///    may have been chosen, and then only models count.
  public var verdict: Verdict {
    guard let rank else { return .notApplicable }
    guard rank.shows(level: testedLevel), rank.keyP <= testedLevel,
      isDrawn || rank.modelP <= testedLevel
    else { return .notShown }
    return isCommitted ? .derived : .notCommitted
  }

  /// What a reader of the verdict must know about its assumptions; none where they seem to hold.
  public var warnings: [String] {
    guard let rank, rank.isSpreadOutside, let spread = rank.spread,
      let low = rank.nullSpreads.min(), let high = rank.nullSpreads.max()
    else { return [] }
    return [
      "the suspect's scores under foreign keys deviate by \(short(spread)), those of null models by "
        + "\(short(low)) to \(short(high)): it is no model like them, and only the rank among keys "
        + "can be relied on"
    ]
  }

  /// The verdict in one sentence.
  public var sentence: String {
    guard let rank else {
      return "Not applicable: the suspect has no place for a mark of scheme \(scheme.rawValue), or "
        + "there are no null models to hold it against; nothing is shown."
    }
    let beyond = rank.keyRank == .excess ? ", counted beyond what null models say," : ""
    let evidence =
      "its \(metric) of \(short(rank.observed)) under \(owner)'s key\(beyond) is reached under "
      + "\(spoken(rank.keyP, rank.foreignKeys)) of \(rank.foreignKeys) foreign keys "
      + "(p among keys = \(short(rank.keyP))) and by \(spoken(rank.modelP, rank.nulls.count)) of "
      + "\(rank.nulls.count) null models (against a chosen key the evidence is "
      + "\(1 + reached(rank.modelP, rank.nulls.count)) in \(rank.nulls.count + 1)), its excess by "
      + "\(rank.reached) of \(rank.cells - 1) other (model, key) pairs (rank p = \(short(rank.p)), "
      + "level \(spokenLevel))"
    switch verdict {
    case .derived: return "Derived: \(evidence)."
    case .notCommitted:
      return
        "Not committed: \(evidence), but no published commitment was given, and a key that was "
        + "made after the suspect can show the same; nothing is shown."
    default: return "Not shown: \(evidence)\(shortcoming(rank))."
    }
  }

  /// What the evidence lacks beyond its numbers.
  private func shortcoming(_ rank: RankTest) -> String {
    if rank.smallestP > testedLevel {
      return "; so few pairs cannot reach the level, the smallest possible p is "
        + short(rank.smallestP)
    }
    if rank.smallestKeyP > testedLevel {
      return "; so few foreign keys cannot reach the level, the smallest possible p among keys is "
        + short(rank.smallestKeyP)
    }
    guard rank.p <= testedLevel else { return "" }
    if !rank.isLargestOfItsColumn {
      return ", but a null model scores as high under the owner's key"
    }
    if rank.keyP > testedLevel {
      return ", but too many foreign keys do as well on the suspect"
    }
    if !rank.isLargestOfItsRowAndColumn {
      return ", but one of the first \(rank.leading) foreign keys, which it must lead, does as well"
    }
    return ", but the key's images could not be drawn again from these data, or its directions are "
      + "none of the first, and count as chosen: then only models are evidence, and the smallest possible p among them is "
      + short(rank.smallestModelP)
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

  /// Others as high, from their rank.
  private func reached(_ p: Double, _ others: Int) -> Int {
    Int((p * Double(others + 1)).rounded()) - 1
  }

  private func spoken(_ p: Double, _ others: Int) -> String {
    let count = reached(p, others)
    return count == 0 ? "none" : "\(count)"
  }

  private var spokenLevel: String {
    commitments == 1
      ? "\(short(level)) for one commitment"
      : "\(short(level)) for \(commitments) commitments, \(short(testedLevel)) for each"
  }

  private func short(_ value: Double) -> String { String(format: "%.3g", value) }
}
