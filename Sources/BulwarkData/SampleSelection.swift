import BulwarkTensor

/// Which samples a limit or a split takes: deterministic, balanced over classes, never by position.
///
/// Every class's samples are put into a keyed order: sample *i* of class *c* draws a 64-bit number
/// from the stream (0, purpose, *c*) and the samples are sorted by their numbers. Selections are
/// prefixes of these orders, so a smaller limit is always contained in a larger one. The result
/// keeps the stored order.
public enum SampleSelection {
  /// At most `limit` samples, as equal per class as the classes allow.
  ///
  /// Places are dealt to the classes in turn (class 0 first) until `limit` or every sample is used.
  /// - Returns: ascending positions.
  public static func balanced(labels: [Int], classCount: Int, limit: Int) -> [Int] {
    if limit >= labels.count { return Array(labels.indices) }
    let groups = keyedGroups(labels: labels, classCount: classCount, purpose: "limit")
    var quota = [Int](repeating: 0, count: classCount)
    var left = limit
    while left > 0 {
      for label in 0..<classCount where left > 0 && quota[label] < groups[label].count {
        quota[label] += 1
        left -= 1
      }
    }
    return zip(groups, quota).flatMap { $0.prefix($1) }.sorted()
  }

  /// A stratified split: `ceil(count * fraction)` test samples, dealt to the classes in proportion
  /// to their size (largest remainder, ties to the lower label).
  /// - Parameters:
  ///   - labels: one label per sample, in `0..<classCount`.
  ///   - classCount: number of classes.
  ///   - fraction: share of the test set, 0 up to below 1.
  /// - Returns: ascending positions of the training and the test samples.
  public static func split(
    labels: [Int], classCount: Int, testFraction fraction: Double
  ) -> (train: [Int], test: [Int]) {
    let groups = keyedGroups(labels: labels, classCount: classCount, purpose: "split")
    let total = Int((Double(labels.count) * fraction).rounded(.up))
    let exact = groups.map { Double($0.count) * Double(total) / Double(max(1, labels.count)) }
    var quota = exact.map { Int($0) }
    let byRemainder = (0..<classCount).sorted {
      let first = exact[$0] - Double(quota[$0])
      let second = exact[$1] - Double(quota[$1])
      return first == second ? $0 < $1 : first > second
    }
    for label in byRemainder.prefix(total - quota.reduce(0, +)) { quota[label] += 1 }
    let train = zip(groups, quota).flatMap { $0.dropFirst($1) }.sorted()
    let test = zip(groups, quota).flatMap { $0.prefix($1) }.sorted()
    return (train, test)
  }

  private static func keyedGroups(labels: [Int], classCount: Int, purpose: String) -> [[Int]] {
    var groups = [[Int]](repeating: [], count: classCount)
    for (index, label) in labels.enumerated() { groups[label].append(index) }
    let key = RandomKey(seed: 0).stream(purpose)
    return groups.enumerated().map { label, members in
      var generator = key.step(label).generator()
      let numbered = members.map { (number: generator.next(), index: $0) }
      return numbered.sorted { ($0.number, $0.index) < ($1.number, $1.index) }.map(\.index)
    }
  }
}
