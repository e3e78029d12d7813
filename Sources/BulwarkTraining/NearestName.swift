/// Finds the valid name that a mistyped one most likely stands for.
///
/// The distance is the number of single-character insertions, deletions, substitutions and swaps of
/// neighbors that turn one name into the other, regardless of case; `-` and `_` count as equal.
/// Cost: O(length of `name` × length of the candidate) for each candidate.
///
/// - Parameters:
///   - name: What the user wrote.
///   - candidates: The valid names; of two at the same distance the earlier one wins.
/// - Returns: The nearest candidate, or nil when none is within half of the longer name's length.
public func nearestName(to name: String, in candidates: some Sequence<String>) -> String? {
  let written = normalized(name)
  var best: (name: String, distance: Int)?
  for candidate in candidates {
    let valid = normalized(candidate)
    let distance = editDistance(written, valid)
    guard distance * 2 <= max(written.count, valid.count) else { continue }
    if best.map({ distance < $0.distance }) ?? true { best = (candidate, distance) }
  }
  return best?.name
}

private func normalized(_ name: String) -> [Character] {
  name.lowercased().map { $0 == "-" ? "_" : $0 }
}

/// The optimal-string-alignment distance, kept in three rows of the dynamic program.
private func editDistance(_ first: [Character], _ second: [Character]) -> Int {
  var beforePrevious: [Int] = []
  var previous = Array(0...second.count)
  for i in first.indices {
    var current = [i + 1]
    for j in second.indices {
      let substitution = previous[j] + (first[i] == second[j] ? 0 : 1)
      var cost = min(substitution, previous[j + 1] + 1, current[j] + 1)
      if i > 0, j > 0, first[i] == second[j - 1], first[i - 1] == second[j] {
        cost = min(cost, beforePrevious[j - 1] + 1)
      }
      current.append(cost)
    }
    beforePrevious = previous
    previous = current
  }
  return previous[second.count]
}
