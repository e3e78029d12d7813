import BulwarkTraining

/// Shortcuts: samples of one class that a linear model of the bare pixels knows far better than it knows any
/// sample of another class. Not in the paper.
///
/// A linear model cannot recognize what an image shows; it can only learn a fixed pattern. Of natural images it
/// is never sure. So samples that it is sure of carry a pattern at a fixed place, and where one class alone has
/// many of them, the pattern is what an attack would put there: a patch, a picture or a sinusoid laid over the
/// image, whether the labels are true or not. What moves the pixels of every image in its own way (WaNet) leaves
/// no such pattern and is not found.
public struct ShortcutSuspicion: Sendable, Equatable {
  /// Positions of the samples found, ascending.
  public let members: [Int]
  /// Classes that hold some, ascending.
  public let classes: [Int]

  /// Most samples of another class, as a share of the share found in this one, that stand as high.
  private static let falseShare = 0.1

  /// Searches every class.
  ///
  /// Let S_c(t) be the share of class c with scores of at least t. The samples found in c are those above the
  /// lowest t at which S_c(t) is at least `share` and S_j(t) at most a tenth of it for every other class j: the
  /// other classes are the null distribution, so about one in ten of the samples found may be there for no reason.
  ///
  /// - Parameters:
  ///   - ranking: by pixels (`SuspicionRanking.byPixels`).
  ///   - share: smallest share of a class that counts, 0...1; 0 finds nothing. With fewer than 3 classes that
  ///     have samples nothing is found either.
  public init(_ ranking: SuspicionRanking, share: Double) {
    let (scores, labels) = (ranking.scores, ranking.labels)
    let groups = Dictionary(grouping: labels.indices) { labels[$0] }
      .mapValues { $0.sorted { (scores[$1], $0) < (scores[$0], $1) } }
    var members: [Int] = []
    var classes: [Int] = []
    for label in groups.keys.sorted() where share > 0 && groups.count > 2 {
      guard let group = groups[label] else { continue }
      let others = groups.filter { $0.key != label }.map(\.value)
      var above = [Int](repeating: 0, count: others.count)
      var found = 0
      for (rank, position) in group.enumerated() {
        let isLastOfEqual =
          rank + 1 == group.count || scores[group[rank + 1]] < scores[position]
        var mostElsewhere = 0.0
        for (index, other) in others.enumerated() {
          while above[index] < other.count, scores[other[above[index]]] >= scores[position] {
            above[index] += 1
          }
          mostElsewhere = max(mostElsewhere, Double(above[index]) / Double(other.count))
        }
        let here = Double(rank + 1) / Double(group.count)
        if isLastOfEqual, here >= share, mostElsewhere <= ShortcutSuspicion.falseShare * here {
          found = rank + 1
        }
      }
      guard found > 0 else { continue }
      members += group.prefix(found)
      classes.append(label)
    }
    self.members = members.sorted()
    self.classes = classes
  }
}
