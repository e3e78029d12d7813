/// The average gap to Retrain over UA, RA, TA and MIA: SalUn's headline number, 0 being best.
public enum AverageGap {
  /// Mean of the absolute differences, in the unit of the measures.
  ///
  /// - Parameters:
  ///   - method: UA, RA, TA and MIA of the method.
  ///   - reference: the same of Retrain.
  /// - Returns: the gap, 0 or more.
  public static func of(_ method: [Double], from reference: [Double]) -> Double {
    precondition(
      method.count == reference.count && !method.isEmpty, "a gap compares the same measures")
    return zip(method, reference).reduce(0) { $0 + abs($1.0 - $1.1) } / Double(method.count)
  }

  /// The gap of the means over seeds, as in the paper's tables.
  ///
  /// - Parameters:
  ///   - method: the four measures of each seed.
  ///   - reference: the same of Retrain.
  /// - Returns: the gap, 0 or more.
  public static func ofMeans(_ method: [[Double]], from reference: [[Double]]) -> Double {
    of(means(method), from: means(reference))
  }

  /// The gap of each seed to the Retrain of the same seed and forget set; their mean is never smaller
  /// than the gap of the means.
  public static func perSeed(_ method: [[Double]], from reference: [[Double]]) -> [Double] {
    precondition(method.count == reference.count, "every seed has a Retrain of its own")
    return zip(method, reference).map { of($0, from: $1) }
  }

  private static func means(_ rows: [[Double]]) -> [Double] {
    precondition(!rows.isEmpty, "a mean needs a seed")
    return rows[0].indices.map { column in
      rows.reduce(0) { $0 + $1[column] } / Double(rows.count)
    }
  }
}
