import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// How strongly a model contradicts the labels of each class: the sign of a class into which an
/// all-to-one attack has poured samples. Not in the paper.
///
/// Every model confuses some classes, but honest confusion has few partners (cat and dog) and goes both
/// ways. Poisons go one way and to everywhere: the target class holds samples of all other classes, which
/// the model recognizes, and the others hold none of the target's in return.
public struct ClassSuspicion: Sendable, Equatable {
  /// (C − 1) · median over j ≠ c of max(0, K_cj − K_jc) for each of C classes c with samples, 0...1, where
  /// K_cj is the share of the samples labeled c that the model confidently (probability above 0.8) calls j. 0 for
  /// a class without samples, which is left out of C and of the medians of the others, too.
  public let contradiction: [Double]
  /// Number of classes with samples.
  private let populatedCount: Int

  /// Counts the confident contradictions of a ranking.
  ///
  /// - Parameters:
  ///   - ranking: of all training samples.
  ///   - classCount: number of classes.
  ///   - excluding: positions that do not count, as those in quarantine, which no pool holds any more.
  public init(_ ranking: SuspicionRanking, classCount: Int, excluding: Set<Int> = []) {
    var size = [Double](repeating: 0, count: classCount)
    var called = [[Double]](
      repeating: [Double](repeating: 0, count: classCount), count: classCount)
    for (index, label) in ranking.labels.enumerated() where !excluding.contains(index) {
      size[label] += 1
      let predicted = ranking.predicted[index]
      if predicted != label, ranking.confidence[index] > 0.8 { called[label][predicted] += 1 }
    }
    func share(_ label: Int, _ other: Int) -> Double { called[label][other] / size[label] }
    let populated = (0..<classCount).filter { size[$0] > 0 }
    populatedCount = populated.count
    contradiction = (0..<classCount).map { label in
      guard size[label] > 0 else { return 0 }
      let excess = populated.filter { $0 != label }
        .map { max(0, share(label, $0) - share($0, label)) }
      return Double(populated.count - 1) * ClassSuspicion.median(excess)
    }
  }

  /// The classes that stand out. Of fewer than four classes with samples none does: a median over one or two others
  /// cannot tell poisons from honest confusion that goes one way.
  ///
  /// - Parameters:
  ///   - threshold: contradiction from which on a class is suspected, 0...1; 0.08 is the default of
  ///     `DBDOptions`. 0 or less finds nothing.
  ///   - ratio: least contradiction of a suspected class, as a share of the largest one, 0...1: beside a
  ///     class that stands out far, lesser ones are confusion.
  ///   - attacked: classes that something else speaks against, too, as samples in quarantine. What they reach shows
  ///     what an attack does to this model: a class that reaches less is confusion.
  /// - Returns: positions of the suspected classes, ascending; often none.
  public func suspects(threshold: Double, ratio: Double = 0, attacked: Set<Int> = []) -> [Int] {
    guard threshold > 0, populatedCount > 3, let largest = contradiction.max() else {
      return []
    }
    let reached = attacked.map { contradiction[$0] }.max() ?? 0
    return contradiction.indices.filter {
      contradiction[$0] > threshold && contradiction[$0] >= ratio * largest
        && (contradiction[$0] >= reached || attacked.contains($0))
    }
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let half = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
  }
}
