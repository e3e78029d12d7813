import BulwarkTraining
import Foundation

/// Cliques in the features of stage 1: samples of one class whose neighbors nearly all carry the same
/// label, while the rest of that class is no better known than any other. Not in the paper.
///
/// A loss can show poisons whose label is wrong. It cannot show a trigger that is laid over images of the
/// target class itself (SIG), or one so strong that self-supervision groups images by it: such poisons agree
/// with their neighbors and have the *lowest* losses of all. But no class is known that purely by features
/// that have seen no label. So stages 2 and 3 go on without such samples, and stage 3 lays what sets them
/// apart over other images (`Inoculation`).
public struct CliqueSuspicion: Sendable, Equatable {
  /// Positions of the samples in cliques, ascending.
  public let members: [Int]
  /// Classes that hold a clique, ascending.
  public let classes: [Int]

  /// Searches every class.
  ///
  /// With o_i the share of votes that neighbors give to the label of sample i, and t_c the largest 99th
  /// percentile of o over the classes other than c, the clique of c is { i in c : 1 − o_i < (1 − t_c) / 2 }:
  /// less than half of the foreign votes that the best samples of any other class have. It counts when it is
  /// at least `share` of the class and nine tenths of the class's other samples stay below t_c; a class
  /// that is easy as a whole has no such gap.
  ///
  /// - Parameters:
  ///   - ranking: by neighbors: scores are −log o_i, at least 0.
  ///   - classCount: number of classes; with fewer than 3 nothing is found.
  ///   - share: smallest share of a class that counts, 0...1; 0 finds nothing.
  public init(_ ranking: SuspicionRanking, classCount: Int, share: Double) {
    let agreement = ranking.scores.map { exp(-$0) }
    let groups = Dictionary(grouping: ranking.labels.indices) { ranking.labels[$0] }
    let best = groups.mapValues { $0.map { agreement[$0] }.quantile(0.99) }
    var members: [Int] = []
    var classes: [Int] = []
    for label in groups.keys.sorted() where share > 0 && classCount > 2 {
      guard let group = groups[label],
        let others = best.filter({ $0.key != label }).values.max()
      else { continue }
      let clique = group.filter { 1 - agreement[$0] < (1 - others) / 2 }
      let rest = Set(group).subtracting(clique).map { agreement[$0] }
      guard Double(clique.count) >= share * Double(group.count), !clique.isEmpty, !rest.isEmpty,
        rest.quantile(0.9) < others
      else { continue }
      members += clique
      classes.append(label)
    }
    self.members = members.sorted()
    self.classes = classes
  }
}
