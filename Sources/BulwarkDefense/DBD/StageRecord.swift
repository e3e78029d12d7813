import BulwarkStore
import BulwarkTraining

/// What a stage of DBD leaves beside its numbers: how the losses are spread, and what each class keeps.
public struct StageRecord: Sendable, Hashable, Codable {
  /// Width of a bin of the histograms, in nats. Bin i counts scores from i to i + 1 widths; the last one
  /// also what lies above it.
  public static let binWidth = 0.5
  /// Number of bins: 0...14 nats hold every symmetric cross-entropy and every vote of neighbors.
  public static let bins = 28

  /// What was ranked by: the loss of the head, or after stage 1 the votes of neighbors.
  public enum Score: String, Sendable, Codable {
    /// The per-sample loss against the given label.
    case loss
    /// −log of the neighbors' share of votes for the given label.
    case neighbors
  }

  /// What was ranked by.
  public let score: Score
  /// Samples in each bin.
  public let histogram: [Int]
  /// True poisons in each bin; nil where the poisons are not known.
  public let poisonHistogram: [Int]?
  /// Samples of each class, by given label.
  public let classCounts: [Int]
  /// Those of them that keep their label in the labeled pool.
  public let labeledClassCounts: [Int]

  /// Counts.
  ///
  /// - Parameters:
  ///   - ranking: of all training samples, scores of at least 0 in nats.
  ///   - score: what it ranks by.
  ///   - labeled: positions of the labeled pool.
  ///   - classCount: number of classes.
  ///   - knownPoisons: positions of the true poisons, where they are known.
  public init(
    _ ranking: SuspicionRanking, by score: Score, labeled: [Int], classCount: Int,
    knownPoisons: [Int]?
  ) {
    func histogram(_ positions: some Sequence<Int>) -> [Int] {
      var counts = [Int](repeating: 0, count: Self.bins)
      for position in positions {
        let bin = Int(min(max(ranking.scores[position] / Self.binWidth, 0), Double(Self.bins - 1)))
        counts[bin] += 1
      }
      return counts
    }
    func perClass(_ positions: some Sequence<Int>) -> [Int] {
      var counts = [Int](repeating: 0, count: classCount)
      for position in positions { counts[ranking.labels[position]] += 1 }
      return counts
    }
    self.score = score
    self.histogram = histogram(ranking.labels.indices)
    poisonHistogram = knownPoisons.map { histogram($0) }
    classCounts = perClass(ranking.labels.indices)
    labeledClassCounts = perClass(labeled)
  }

  /// The record as results and checkpoints hold it, with the lower edges of the bins.
  public func json() -> JSONValue {
    func list(_ counts: [Int]) -> JSONValue { .array(counts.map(JSONValue.int)) }
    return [
      "score": .string(score.rawValue), "unit": "nats",
      "bin_edges": .array((0..<Self.bins).map { .double(Double($0) * Self.binWidth) }),
      "samples": list(histogram), "poisons": poisonHistogram.map(list) ?? .null,
      "class_samples": list(classCounts), "class_labeled": list(labeledClassCounts),
    ]
  }
}
