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

  /// Fewest classes of at least `leastCount` samples: the others are what a class is compared with.
  public static let leastClasses = 3
  /// Fewest samples that count as found, and fewest of a class that another one is compared with.
  public static let leastCount = 10
  /// A class of which more is found is easy for a linear model as a whole.
  static let mostShare = 0.75

  /// Searches every class.
  ///
  /// Let S_c(t) be the share of class c with scores of at least t. The samples found in c are those at or above
  /// the lowest t at which S_c(t) is at least `share` and S_j(t) at most a tenth of it for every other class j:
  /// the other classes are the null distribution, so up to one in ten of the samples found may be there for no
  /// reason. Fewer than 10 do not count, and where more than three quarters of c are found, none is: that class
  /// is easy as a whole. Classes of fewer than 10 samples are left out. Made for one target: of two classes with
  /// patterns that are known alike each hides the other.
  ///
  /// - Parameters:
  ///   - ranking: by pixels (`SuspicionRanking.byPixels`).
  ///   - share: smallest share of a class that counts, 0...1; 0 finds nothing. With fewer than 3 classes of at
  ///     least 10 samples nothing is found either.
  public init(_ ranking: SuspicionRanking, share: Double) {
    let (scores, labels) = (ranking.scores, ranking.labels)
    let groups = Dictionary(grouping: labels.indices) { labels[$0] }
      .filter { $0.value.count >= ShortcutSuspicion.leastCount }
      .mapValues { $0.sorted { (scores[$1], $0) < (scores[$0], $1) } }
    let standing = groups.mapValues { $0.map { scores[$0] } }
    var members: [Int] = []
    var classes: [Int] = []
    for label in groups.keys.sorted()
    where share > 0 && groups.count >= ShortcutSuspicion.leastClasses {
      guard let group = groups[label], let own = standing[label] else { continue }
      let others = standing.filter { $0.key != label }.map(\.value)
      let found = ShortcutSuspicion.count(own, above: others, share: share)
      guard found >= ShortcutSuspicion.leastCount,
        Double(found) <= ShortcutSuspicion.mostShare * Double(group.count)
      else { continue }
      members += group.prefix(found)
      classes.append(label)
    }
    self.members = members.sorted()
    self.classes = classes
  }

  /// How many of a class's scores stand above those of all others by the rule; all scores descending.
  private static func count(_ own: [Double], above others: [[Double]], share: Double) -> Int {
    var passed = [Int](repeating: 0, count: others.count)
    var found = 0
    for (rank, score) in own.enumerated() {
      for (index, other) in others.enumerated() {
        while passed[index] < other.count, other[passed[index]] >= score { passed[index] += 1 }
        // Beyond a tenth of another class no share of this one is large enough.
        if 10 * passed[index] > other.count { return found }
      }
      // Equal scores are found together.
      if rank + 1 < own.count, own[rank + 1] == score { continue }
      let isClear = zip(passed, others).allSatisfy {
        10 * $0 * own.count <= (rank + 1) * $1.count
      }
      if isClear, Double(rank + 1) >= share * Double(own.count) { found = rank + 1 }
    }
    return found
  }
}
