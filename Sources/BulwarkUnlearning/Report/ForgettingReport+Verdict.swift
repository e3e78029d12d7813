import BulwarkTraining
import Foundation

/// What the numbers mean, in words.
extension ForgettingReport {
  /// Warnings: methods that diverged, and forgetting too much or too little, that is UA or MIA outside
  /// Retrain's 95 % interval.
  ///
  /// - Returns: one sentence for each failure, and for each row and measure; of the second kind none
  ///   without a reference.
  public var verdicts: [String] {
    var sentences = failures.map { "\($0.name), seed \($0.seed), has no result: \($0.reason)." }
    for name in names where name != Self.original && name != Self.reference {
      for definition in [Metric.unlearningAccuracy, Metric.miaEfficacy] {
        guard let own = summary(definition, of: name),
          let reference = summary(definition, of: Self.reference)
        else { continue }
        let words = String(
          format: "%.1f %%, Retrain %.1f %% (%.1f to %.1f)", 100 * own.mean, 100 * reference.mean,
          100 * reference.low, 100 * reference.high)
        let measure = definition == Metric.unlearningAccuracy ? "UA" : "MIA"
        if own.mean > reference.high {
          sentences.append(
            "\(name) forgets too much: \(measure) is \(words). A model that answers the forget set "
              + "worse than one that never saw it gives it away.")
        } else if own.mean < reference.low {
          sentences.append("\(name) forgets too little: \(measure) is \(words).")
        }
      }
    }
    return sentences
  }

  /// How the columns are to be read.
  public static let legend = [
    "UA and MIA are best at Retrain's value, not at 100 %; RA and TA are better higher; RTE lower.",
    "Avg Gap is the mean distance to Retrain over UA, RA, TA and MIA: 0 is best.",
  ]
}
