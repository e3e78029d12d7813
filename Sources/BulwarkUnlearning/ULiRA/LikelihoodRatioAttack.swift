import BulwarkTensor
import Foundation

/// U-LiRA (Hayes, Shumailov, Triantafillou, Khalifa & Papernot, "Inexact unlearning needs more careful
/// evaluations", 2024): can an unlearned sample be told from one that was never trained on?
///
/// For each sample two normal distributions are fitted to the logit of its confidence, one over the
/// shadows that unlearned it and one over those that never saw it; the attack's score is the
/// logarithm of their ratio. Every shadow is attacked in turn, with the distributions of the others, so
/// no target models are needed beside the shadows. The target's partner, which was trained on the other
/// half, is left out with it: else the target's own side would always have one shadow less than the
/// other side and the noisier mean, and perfect unlearning would score below one half (0.41 with 4
/// shadows). As in LiRA (Carlini et al. 2022) for few shadows, the variances are pooled over all
/// samples, which leaves the rates at few false positives to the samples that vary most: they are lower
/// bounds. Perfect unlearning gives an area of one half, and so does a method that ruins the model: the
/// unseen samples are unseen by the unlearned models.
public struct LikelihoodRatioAttack: Sendable {
  /// Scores of samples that were unlearned.
  public let unlearned: [Double]
  /// Scores of samples that were never trained on.
  public let unseen: [Double]

  /// Attacks every shadow with the others.
  ///
  /// - Parameters:
  ///   - statistics: the logit of the confidence for each shadow and audited sample; at least six
  ///     shadows, partners side by side as in `ShadowDesign`.
  ///   - isMember: for each shadow, whether it was trained on the sample and unlearned it.
  public init(statistics: [[Double]], isMember: [[Bool]]) {
    precondition(
      statistics.count == isMember.count && statistics.count >= 6, "an attack needs its shadows")
    var unlearned: [Double] = []
    var unseen: [Double] = []
    for target in statistics.indices {
      let others = statistics.indices.filter { $0 / 2 != target / 2 }
      let columns = statistics[target].indices.map { sample in
        (
          inside: others.filter { isMember[$0][sample] }.map { statistics[$0][sample] },
          outside: others.filter { !isMember[$0][sample] }.map { statistics[$0][sample] }
        )
      }
      let (spreadIn, spreadOut) = (
        Self.pooledVariance(columns.map(\.inside)), Self.pooledVariance(columns.map(\.outside))
      )
      for (sample, column) in columns.enumerated() {
        guard !column.inside.isEmpty, !column.outside.isEmpty else { continue }
        let value = statistics[target][sample]
        let ratio =
          Self.logDensity(value, Self.mean(column.inside), spreadIn)
          - Self.logDensity(value, Self.mean(column.outside), spreadOut)
        if isMember[target][sample] { unlearned.append(ratio) } else { unseen.append(ratio) }
      }
    }
    self.unlearned = unlearned
    self.unseen = unseen
  }

  /// Area under the ROC curve: how often an unlearned sample scores above an unseen one, ties half.
  public var area: Double {
    let marked = (unlearned.map { ($0, true) } + unseen.map { ($0, false) }).sorted { $0.0 < $1.0 }
    var wins = 0.0
    var below = 0
    var start = 0
    while start < marked.count {
      var end = start
      while end < marked.count, marked[end].0 == marked[start].0 { end += 1 }
      let positives = marked[start..<end].count(where: \.1)
      let negatives = end - start - positives
      wins += Double(positives) * (Double(below) + Double(negatives) / 2)
      below += negatives
      start = end
    }
    return wins / Double(max(unlearned.count * unseen.count, 1))
  }

  /// True positives at the lowest threshold that at most a share of the unseen samples exceeds.
  ///
  /// - Parameter rate: false-positive rate, 0...1.
  /// - Returns: unlearned samples above the threshold, unseen ones above it, and the threshold.
  public func detected(atFalsePositiveRate rate: Double) -> (
    truePositives: Int, falsePositives: Int, threshold: Double
  ) {
    let descending = unseen.sorted(by: >)
    let allowed = Int(rate * Double(unseen.count))
    // A sample counts as detected when it scores strictly above the threshold.
    let threshold = allowed < descending.count ? descending[allowed] : -.infinity
    return (
      unlearned.count { $0 > threshold }, unseen.count { $0 > threshold }, threshold
    )
  }

  /// The logit of the confidence, φ = z_y − log Σ_{k ≠ y} exp z_k, for each row.
  ///
  /// - Parameters:
  ///   - logits: [N, classes], float32.
  ///   - labels: N labels.
  /// - Returns: N numbers.
  /// - Throws: `TensorError`.
  public static func statistic(_ logits: Tensor, labels: [Int]) throws -> [Double] {
    let classes = logits.shape[1]
    let wide = try logits.to(.float64)
    let own = try Tensor(labels).oneHot(classes).to(.float64)
    let chosen = try (wide * own).sum([1])
    let others = try (wide - own * 1e9).logSumExp([1])
    return try (chosen - others).doubles()
  }

  private static func mean(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(values.count)
  }

  /// Mean squared distance to the group's mean, over all groups, corrected for the means' freedom.
  private static func pooledVariance(_ groups: [[Double]]) -> Double {
    var sum = 0.0
    var freedom = 0
    for group in groups where group.count > 1 {
      let mean = mean(group)
      sum += group.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      freedom += group.count - 1
    }
    return max(freedom > 0 ? sum / Double(freedom) : 1, 1e-12)
  }

  private static func logDensity(_ value: Double, _ mean: Double, _ variance: Double) -> Double {
    -(value - mean) * (value - mean) / (2 * variance) - Foundation.log(variance) / 2
  }
}
