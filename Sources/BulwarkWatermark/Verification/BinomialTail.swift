import Foundation

/// The exact upper tail of a binomial distribution, on a logarithmic scale.
public enum BinomialTail {
  /// log10 P(X ≥ hits) for X ~ Binomial(count, chance); exact to about twelve digits also where the tail
  /// itself is far below the smallest number. Cost: O(count).
  ///
  /// - Parameters:
  ///   - hits: 0...count.
  ///   - count: 0 or more.
  ///   - chance: between 0 and 1.
  /// - Returns: 0 or less.
  public static func log10(hits: Int, count: Int, chance: Double) -> Double {
    precondition(chance > 0 && chance < 1, "a chance lies between 0 and 1")
    precondition((0...count).contains(hits), "hits lie between 0 and the count")
    if hits == 0 { return 0 }
    var logFactorials = [0.0]
    for k in 1...count { logFactorials.append(logFactorials[k - 1] + log(Double(k))) }
    let terms: [Double] = (hits...count).map { k in
      let ways = logFactorials[count] - logFactorials[k] - logFactorials[count - k]
      return ways + Double(k) * log(chance) + Double(count - k) * log1p(-chance)
    }
    let largest = terms.max() ?? 0
    let sum = terms.reduce(0) { $0 + exp($1 - largest) }
    return min(0, (largest + log(sum)) / log(10))
  }

  /// The smallest number of hits whose tail is at most a level; nil when even all hits are not enough.
  ///
  /// - Parameters:
  ///   - level: above 0, at most 1.
  ///   - count: 0 or more.
  ///   - chance: between 0 and 1.
  /// - Returns: 0...count, or nil.
  public static func threshold(level: Double, count: Int, chance: Double) -> Int? {
    (0...count).first { log10(hits: $0, count: count, chance: chance) <= Foundation.log10(level) }
  }
}
