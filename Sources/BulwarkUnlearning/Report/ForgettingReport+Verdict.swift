import BulwarkTraining
import Foundation

/// What the numbers mean, in words.
extension ForgettingReport {
  /// Warnings: methods that diverged, and forgetting too much or too little, that is UA or MIA whose
  /// difference to Retrain's is not 0 by its 95 % interval (`difference`).
  ///
  /// - Returns: one sentence for each failure, and for each row and measure; of the second kind none
  ///   without a reference.
  public var verdicts: [String] {
    var sentences = failures.map { "\($0.name), seed \($0.seed), has no result: \($0.reason)." }
    for name in names where name != Self.original && name != Self.reference {
      for definition in [Metric.unlearningAccuracy, Metric.miaEfficacy] {
        guard let found = difference(definition, of: name) else { continue }
        let words = String(
          format: "%.1f %%, Retrain's %.1f %% (%+.1f points, %+.1f to %+.1f)", 100 * found.own,
          100 * found.reference, 100 * (found.own - found.reference), 100 * found.low,
          100 * found.high)
        let measure = definition == Metric.unlearningAccuracy ? "UA" : "MIA"
        if found.low > 0 {
          sentences.append(
            "\(name) forgets too much: \(measure) is \(words). A model that answers the forget set "
              + "worse than one that never saw it gives it away.")
        } else if found.high < 0 {
          sentences.append("\(name) forgets too little: \(measure) is \(words).")
        }
      }
    }
    return sentences
  }

  /// A measure that is a share of samples, less Retrain's, seed by seed.
  ///
  /// With n seeds that both have, the half width of the 95 % interval of the mean difference is the larger of
  /// t · s / √n, s being the deviation of the n differences and t Student's, and of 1.96 times the binomial error of
  /// the two mean shares: one seed has no deviation, and two that happen to agree know no better.
  ///
  /// - Parameters:
  ///   - definition: the measure.
  ///   - name: of the row.
  /// - Returns: both means over these seeds, in 0...1, and the interval of their difference; nil without such a
  ///   seed.
  public func difference(_ definition: MetricDefinition, of name: String) -> (
    own: Double, reference: Double, low: Double, high: Double
  )? {
    func values(_ name: String) -> [UInt64: MetricValue] {
      Dictionary(
        rows(named: name).compactMap { row in
          row.values.first { $0.definition == definition }.map { (row.seed, $0) }
        }, uniquingKeysWith: { first, _ in first })
    }
    let references = values(Self.reference)
    let pairs = values(name).compactMap { seed, own in references[seed].map { (own, $0) } }
    guard let first = pairs.first else { return nil }
    let paired = SampleSummary(pairs.map { $0.value - $1.value })
    let own = SampleSummary(pairs.map(\.0.value)).mean
    let reference = SampleSummary(pairs.map(\.1.value)).mean
    let trials = Double(max(first.0.count, 1) * pairs.count)
    let binomial = ((own * (1 - own) + reference * (1 - reference)) / trials).squareRoot()
    let half = max((paired.high - paired.low) / 2, 1.959964 * binomial)
    return (own, reference, own - reference - half, own - reference + half)
  }

  /// How the columns are to be read.
  public static let legend = [
    "UA and MIA are best at Retrain's value, not at 100 %; RA and TA are better higher; RTE lower.",
    "Avg Gap is the mean distance to Retrain over UA, RA, TA and MIA: 0 is best.",
  ]
}
