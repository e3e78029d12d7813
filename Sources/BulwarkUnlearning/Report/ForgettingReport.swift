import BulwarkStore
import BulwarkTraining
import Foundation

/// The proof of forgetting: what was forgotten, how, how well and at what cost.
public struct ForgettingReport: Sendable {
  /// One model with its measurements (the original, the reference or an unlearned one), or the audit of
  /// many models of one kind.
  public struct Row: Sendable {
    /// `original`, `retrain`, or a method and its mask; for an audit what `auditName` makes of it.
    public var name: String
    /// Seed of the run and of its forget set.
    public var seed: UInt64
    /// Digest of the model's checkpoint file; nil for an audit.
    public var checkpointDigest: String?
    /// What was forgotten; for an audit the samples of which each model unlearned one half.
    public var forgetSet: ForgetSet
    /// The measurements, cost included.
    public var values: [MetricValue]
    /// Probability of the given label for each training sample, in 0...1; empty for a row that
    /// stands for several models.
    public var confidence: [Double]
    /// Method settings, and under `mask` those of the mask; null where there are none.
    public var settings: JSONValue

    /// Makes a row.
    public init(
      name: String, seed: UInt64, checkpointDigest: String?, forgetSet: ForgetSet,
      values: [MetricValue], confidence: [Double], settings: JSONValue = .null
    ) {
      self.name = name
      self.seed = seed
      self.checkpointDigest = checkpointDigest
      self.forgetSet = forgetSet
      self.values = values
      self.confidence = confidence
      self.settings = settings
    }

    /// The value of a measure, where it was taken.
    public func value(_ definition: MetricDefinition) -> Double? {
      values.first { $0.definition == definition }?.value
    }
  }

  /// A method that came to no model on one seed, or whose audit came to no number.
  public struct Failure: Sendable, Hashable {
    /// Name of the row that is missing.
    public var name: String
    /// Seed of the run.
    public var seed: UInt64
    /// What happened, and what to do about it.
    public var reason: String

    /// Makes a record.
    public init(name: String, seed: UInt64, reason: String) {
      self.name = name
      self.seed = seed
      self.reason = reason
    }
  }

  /// Name of the row of the checkpoint that is unlearned from.
  public static let original = "original"
  /// Name of the row of the reference.
  public static let reference = "retrain"
  /// The measures whose distance to Retrain is averaged.
  public static let gapMeasures = [
    Metric.unlearningAccuracy, Metric.retainAccuracy, Metric.testAccuracy, Metric.miaEfficacy,
  ]

  /// Digest of the checkpoint before.
  public var originalDigest: String
  /// Digest of the resolved recipe.
  public var recipeDigest: String
  /// All rows of all seeds.
  public var rows: [Row]
  /// Given labels of the training samples.
  public var labels: [Int]
  /// The rows that are missing, and why.
  public var failures: [Failure]
  /// What an audit by U-LiRA found, row by row; none without one.
  public var audit: [AuditFinding] = []

  /// Makes a report.
  public init(
    originalDigest: String, recipeDigest: String, rows: [Row], labels: [Int],
    failures: [Failure] = []
  ) {
    self.failures = failures
    self.originalDigest = originalDigest
    self.recipeDigest = recipeDigest
    self.rows = rows
    self.labels = labels
  }

  /// Name of the row of an audit by U-LiRA, which is about other samples than the runs.
  ///
  /// - Parameter name: of what is audited: the reference, a method and its mask, or the original, whose place
  ///   the shadows take before anything is unlearned from them.
  /// - Returns: a name that no model of a run has.
  public static func auditName(of name: String) -> String {
    "\(name == original ? "before unlearning" : name) (U-LiRA)"
  }

  /// The names of the rows in order, each once.
  public var names: [String] {
    rows.reduce(into: []) { names, row in if !names.contains(row.name) { names.append(row.name) } }
  }

  /// The rows of a name, one for each seed.
  public func rows(named name: String) -> [Row] { rows.filter { $0.name == name } }

  /// Mean, spread and interval of a measure over the seeds of a row; nil where it was not taken.
  public func summary(_ definition: MetricDefinition, of name: String) -> SampleSummary? {
    let found = rows(named: name).compactMap { row in
      row.values.first { $0.definition == definition }
    }
    guard let first = found.first else { return nil }
    return SampleSummary(
      found.map(\.value), samples: definition.isShareOfSamples ? first.count : nil)
  }

  /// The average gap of a row to Retrain over the seeds on which both have all four measures.
  ///
  /// - Parameter name: of the row.
  /// - Returns: the gap of the means over these seeds, and the gaps of the seeds; nil when there is no
  ///   such seed.
  public func gap(of name: String) -> (ofMeans: Double, perSeed: SampleSummary)? {
    func measures(_ name: String) -> [(seed: UInt64, values: [Double])] {
      rows(named: name).map { row in
        (seed: row.seed, values: Self.gapMeasures.compactMap(row.value))
      }.filter { $0.values.count == Self.gapMeasures.count }
    }
    let references = Dictionary(
      measures(Self.reference).map { ($0.seed, $0.values) }, uniquingKeysWith: { first, _ in first }
    )
    let pairs = measures(name).compactMap { own in
      references[own.seed].map { (own: own.values, reference: $0) }
    }
    guard !pairs.isEmpty else { return nil }
    let (own, reference) = (pairs.map(\.own), pairs.map(\.reference))
    return (
      AverageGap.ofMeans(own, from: reference),
      SampleSummary(AverageGap.perSeed(own, from: reference))
    )
  }
}
