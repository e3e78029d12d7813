import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// How strongly a model contradicts the labels of each class: the sign of a class into which an
/// all-to-one attack has poured samples. Not in the paper.
///
/// Every model confuses some classes, but honest confusion goes both ways: cats are taken for dogs and
/// dogs for cats. Poisons go one way: the target class holds samples of all other classes, which the
/// model recognizes, and the others hold none of the target's in return.
public struct ClassSuspicion: Sendable, Equatable {
  /// Σ_j max(0, K_cj − K_jc) for each class c, 0...1, where K_cj is the share of the samples labeled c
  /// that the model confidently (probability above 0.8) calls j ≠ c.
  public let contradiction: [Double]

  /// Counts the confident contradictions of a ranking.
  public init(_ ranking: SuspicionRanking, classCount: Int) {
    var size = [Double](repeating: 0, count: classCount)
    var called = [[Double]](
      repeating: [Double](repeating: 0, count: classCount), count: classCount)
    for (index, label) in ranking.labels.enumerated() {
      size[label] += 1
      let predicted = ranking.predicted[index]
      if predicted != label, ranking.confidence[index] > 0.8 { called[label][predicted] += 1 }
    }
    func share(_ label: Int, _ other: Int) -> Double { called[label][other] / max(size[label], 1) }
    contradiction = (0..<classCount).map { label in
      (0..<classCount).reduce(0) { $0 + max(0, share(label, $1) - share($1, label)) }
    }
  }

  /// The classes that stand out: contradicted in more than `threshold` of their samples and by more
  /// than five robust standard deviations (1.4826 × median absolute deviation) above the median class.
  ///
  /// - Parameter threshold: 0...1; 0.1 is the recipes' value. 0 or less finds nothing.
  /// - Returns: positions of the suspected classes; often none.
  public func suspects(threshold: Double) -> Set<Int> {
    guard threshold > 0 else { return [] }
    let middle = ClassSuspicion.median(contradiction)
    let spread = ClassSuspicion.median(contradiction.map { abs($0 - middle) })
    let limit = max(threshold, middle + 5 * 1.4826 * spread)
    return Set(contradiction.indices.filter { contradiction[$0] > limit })
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let half = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
  }
}
