import BulwarkStore
import BulwarkTraining
import BulwarkUnlearning
import Foundation

/// The report as results and tables show it.
extension ForgettingReport {
  /// Takes in what an audit found: one row for everything that was attacked.
  ///
  /// An audit is of the recipe, not of a seed, and about samples of its own, so no row of a run takes its
  /// numbers.
  mutating func add(_ outcome: ShadowAudit.Outcome, of audited: ForgetSet, seed: UInt64) {
    rows += outcome.findings.map { finding in
      Row(
        name: Self.auditName(of: finding.name), seed: seed, checkpointDigest: nil,
        forgetSet: audited, values: finding.values, confidence: [])
    }
    failures += outcome.failures
    audit = outcome.findings
  }

  /// Whether a row has a checkpoint on a seed.
  func hasModel(_ name: String, seed: UInt64) -> Bool {
    rows.contains { $0.name == name && $0.seed == seed && $0.checkpointDigest != nil }
  }

  /// The models behind the rows, seed by seed: digest of the checkpoint, digest of what was forgotten,
  /// settings with the mask's.
  var models: JSONValue {
    .array(
      rows.map { row in
        [
          "name": .string(row.name), "seed": .unsigned(row.seed),
          "checkpoint_digest": row.checkpointDigest.map(JSONValue.string) ?? .null,
          "forget_set_digest": .string(row.forgetSet.digest), "settings": row.settings,
        ]
      })
  }

  /// The means over seeds of a row's measures, and its gap to Retrain.
  func metrics(of name: String) -> [String: ResultMetric] {
    var metrics: [String: ResultMetric] = [:]
    for definition in Metric.all {
      guard let summary = summary(definition, of: name) else { continue }
      let measured = rows(named: name).compactMap { row in
        row.values.first { $0.definition == definition }
      }
      metrics[definition.name] = ResultMetric(
        summary, unit: definition.unit, n: measured.first?.count)
    }
    if name != Self.reference, let gap = gap(of: name) {
      let seeds = gap.perSeed.seeds
      metrics[Metric.averageGap.name] = ResultMetric(
        gap.ofMeans, unit: Metric.averageGap.unit, n: seeds)
      metrics[Metric.averageGapPerSeed.name] = ResultMetric(
        gap.perSeed, unit: Metric.averageGapPerSeed.unit, n: seeds)
    }
    return metrics
  }

  /// One line a row: the papers' columns, and attack success where a trigger is known.
  func table() -> Table {
    let columns: [(title: String, definition: MetricDefinition)] = [
      ("UA", Metric.unlearningAccuracy), ("RA", Metric.retainAccuracy),
      ("TA", Metric.testAccuracy), ("MIA", Metric.miaEfficacy),
      ("relearned 1", Metric.relearnedAccuracy1), ("relearned 5", Metric.relearnedAccuracy5),
      ("U-LiRA AUC", Metric.uliraAUC), ("TPR at 1 %", Metric.uliraTPR1),
      ("TPR at 0.1 %", Metric.uliraTPR01), ("attack success", Metric.attackSuccessRate),
      ("RTE", Metric.unlearningTime),
    ].filter { column in names.contains { summary(column.definition, of: $0) != nil } }
    let hasGap = gap(of: Self.reference) != nil
    var table = Table(header: ["method"] + columns.map(\.title) + (hasGap ? ["Avg Gap"] : []))
    table.rows = names.map { name in
      var cells = [name] + columns.map { cell(summary($0.definition, of: name), $0.definition) }
      if hasGap {
        cells.append(name == Self.reference ? "0" : gap(of: name).map { points($0.ofMeans) } ?? "–")
      }
      return cells
    }
    return table
  }

  private func points(_ share: Double) -> String { String(format: "%.2f", 100 * share) }

  private func cell(_ summary: SampleSummary?, _ definition: MetricDefinition) -> String {
    guard let summary else { return "–" }
    if definition.unit == "seconds" { return spokenDuration(summary.mean) }
    let mean = points(summary.mean)
    return summary.seeds > 1 ? "\(mean) ± \(points(summary.deviation))" : mean
  }
}

extension ResultMetric {
  /// A mean over seeds; where there are several, with their spread and interval.
  init(_ summary: SampleSummary, unit: String, n: Int?) {
    self.init(summary.mean, unit: unit, n: n)
    let numbers = [summary.deviation, summary.low, summary.high]
    guard summary.seeds > 1, numbers.allSatisfy(\.isFinite) else { return }
    std = summary.deviation
    interval95 = [summary.low, summary.high]
  }
}
