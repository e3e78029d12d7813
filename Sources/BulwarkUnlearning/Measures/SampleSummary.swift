import Foundation

/// Mean, spread and 95 % interval of a number over seeds, or of one share over its samples.
public struct SampleSummary: Sendable, Hashable, Codable {
  /// Mean over the seeds.
  public let mean: Double
  /// Sample standard deviation over the seeds; 0 for one seed.
  public let deviation: Double
  /// Lower end of the 95 % interval.
  public let low: Double
  /// Upper end of the 95 % interval.
  public let high: Double
  /// Number of seeds.
  public let seeds: Int
  /// Whether `low` and `high` are an interval; both are the value itself where there is none.
  public let hasInterval: Bool

  /// Summarizes one value a seed: mean ± t · s / √n with Student's t for n − 1 degrees of freedom.
  ///
  /// One seed has no spread. Then the interval is Wilson's for a share of `samples` trials, or, for
  /// anything that is no share, the value itself.
  ///
  /// - Parameters:
  ///   - values: at least one.
  ///   - samples: number of samples behind a share in 0...1; nil for other numbers.
  public init(_ values: [Double], samples: Int? = nil) {
    precondition(!values.isEmpty, "a summary needs a value")
    let count = Double(values.count)
    let mean = values.reduce(0, +) / count
    self.mean = mean
    seeds = values.count
    hasInterval = values.count > 1 || samples != nil
    guard values.count > 1 else {
      deviation = 0
      let ends = samples.map { SampleSummary.wilson(mean, samples: $0) } ?? (mean, mean)
      (low, high) = ends
      return
    }
    let square = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    deviation = (square / (count - 1)).squareRoot()
    let half = SampleSummary.studentQuantile(values.count - 1) * deviation / count.squareRoot()
    low = mean - half
    high = mean + half
  }

  /// Whether a number lies in the interval.
  public func contains(_ value: Double) -> Bool { (low...high).contains(value) }

  /// Wilson's 95 % score interval of a share of `samples` trials (Wilson 1927).
  public static func wilson(_ share: Double, samples: Int) -> (low: Double, high: Double) {
    let n = Double(max(samples, 1))
    let z = 1.959964
    let center = (share + z * z / (2 * n)) / (1 + z * z / n)
    let half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)).squareRoot()
    // Exact at the ends, where rounding would shut the share itself out.
    return (share <= 0 ? 0 : max(0, center - half), share >= 1 ? 1 : min(1, center + half))
  }

  /// The 97.5 % quantile of Student's t: exact to four digits up to 30 degrees of freedom, by the
  /// Cornish-Fisher expansion beyond.
  public static func studentQuantile(_ degrees: Int) -> Double {
    let table = [
      12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010,
      2.1788,
      2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687,
      2.0639,
      2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
    ]
    precondition(degrees >= 1, "an interval over seeds needs two of them")
    if degrees <= table.count { return table[degrees - 1] }
    let z = 1.959964
    let n = Double(degrees)
    return z + (z * z * z + z) / (4 * n)
      + (5 * pow(z, 5) + 16 * z * z * z + 3 * z) / (96 * n * n)
  }
}
