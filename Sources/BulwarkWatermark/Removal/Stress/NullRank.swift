/// A p-value by rank among scores of models that were trained without the owner's model.
public struct NullRank: Sendable, Hashable {
  /// Scores of (null model, key) pairs.
  public let nulls: [Double]

  /// A null distribution; with none of them every p-value is 1.
  public init(nulls: [Double]) { self.nulls = nulls }

  /// (1 + number of null scores that are at least `score`) / (1 + number of null scores): the smallest
  /// level at which the score is no chance; never below 1 / (1 + n).
  ///
  /// Source: permutation tests; `papers/ingrain.md`, section 4.2.
  public func pValue(of score: Double) -> Double {
    Double(1 + nulls.count { $0 >= score }) / Double(1 + nulls.count)
  }
}
