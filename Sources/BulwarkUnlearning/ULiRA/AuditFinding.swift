import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation

/// What U-LiRA found about one method.
public struct AuditFinding: Sendable {
  /// `original` for the shadows before anything is unlearned, `retrain`, or a method and its mask.
  public let name: String
  /// What it was found in.
  public let statistics: ShadowStatistics
  /// The attack's scores.
  public let attack: LikelihoodRatioAttack
  /// The area without each pair of shadows.
  private let parts: [Double]
  /// The area, 0...1, and its standard error; nil for fewer than eight shadows.
  public let area: (value: Double, error: Double?)
  /// Mean statistic of unlearned samples less that of unseen ones, in nats, and its standard error.
  public let trace: (value: Double, error: Double?)
  /// (1 + exchanges with at least this area) / (1 + exchanges): small where unlearning left a trace.
  public let p: Double

  /// How often partners are exchanged for `p`.
  public static let draws = 99

  /// Attacks.
  ///
  /// - Parameters:
  ///   - name: of the row.
  ///   - statistics: of at least six shadows.
  ///   - key: of the exchanges.
  /// - Throws: `TensorError`.
  public init(_ name: String, _ statistics: ShadowStatistics, key: RandomKey) throws {
    self.name = name
    self.statistics = statistics
    let attack = statistics.attack
    self.attack = attack
    let found = attack.area
    parts = statistics.withoutEachPair(\.attack.area)
    area = (found, ShadowStatistics.error(parts))
    trace = (statistics.trace, ShadowStatistics.error(statistics.withoutEachPair(\.trace)))
    let exchanged = try statistics.exchangedAreas(draws: Self.draws, key: key)
    p = Double(1 + exchanged.count { $0 >= found }) / Double(1 + Self.draws)
  }

  /// The measures of the row; their `count` is the number of audited samples, since the models that answer
  /// for each of them are no more samples.
  public var values: [MetricValue] {
    let samples = statistics.values[0].count
    let rates = Self.rates.map { definition, rate in
      let found = attack.detected(atFalsePositiveRate: rate).truePositives
      return MetricValue(
        definition, Double(found) / Double(max(attack.unlearned.count, 1)), count: samples)
    }
    return [MetricValue(Metric.uliraAUC, area.value, count: samples)] + rates
  }

  /// Counts and errors behind the measures.
  ///
  /// - Parameter others: findings of other methods on as many shadows, with which the area is compared.
  /// - Returns: an object.
  public func json(beside others: [AuditFinding]) -> JSONValue {
    var members: [String: JSONValue] = [
      "shadows": .int(statistics.values.count), "samples": .int(statistics.values[0].count),
      "unlearned": .int(attack.unlearned.count), "unseen": .int(attack.unseen.count),
      "auc": .double(area.value), "auc_error": Self.json(area.error),
      "p_no_trace": .double(p), "trace": .double(trace.value),
      "trace_error": Self.json(trace.error),
      "statistic": [
        "unlearned": Self.summary(statistics.statistics(unlearned: true)),
        "unseen": Self.summary(statistics.statistics(unlearned: false)),
      ],
    ]
    for (_, rate) in Self.rates {
      let found = attack.detected(atFalsePositiveRate: rate)
      members["at_fpr_\(rate)"] = [
        "true_positives": .int(found.truePositives), "false_positives": .int(found.falsePositives),
      ]
    }
    let compared = others.compactMap { other in difference(to: other).map { (other.name, $0) } }
    if !compared.isEmpty {
      members["auc_minus"] = .object(
        Dictionary(
          compared.map { ($0, ["value": .double($1.value), "error": .double($1.error)]) },
          uniquingKeysWith: { first, _ in first }))
    }
    return .object(members)
  }

  /// The area less another method's on the same shadows.
  ///
  /// - Parameter other: the other finding.
  /// - Returns: the difference and its standard error, whole pairs left out of both; nil for the finding
  ///   itself, another number of shadows, and fewer than eight of them.
  public func difference(to other: AuditFinding) -> (value: Double, error: Double)? {
    guard other.name != name, other.statistics.isMember == statistics.isMember else { return nil }
    return ShadowStatistics.error(zip(parts, other.parts).map { $0 - $1 }).map {
      (area.value - other.area.value, $0)
    }
  }

  /// The finding in one sentence.
  public var sentence: String {
    func text(_ value: Double, _ error: Double?) -> String {
      String(format: "%.2f", value) + (error.map { String(format: " ± %.2f", $0) } ?? "")
    }
    let whom = name == ForgettingReport.original ? "before unlearning" : name
    let percent = text(100 * area.value, area.error.map { 100 * $0 })
    return
      "U-LiRA, \(whom): AUC \(percent) % over \(statistics.values.count) shadows; unlearned samples are "
      + "answered \(text(abs(trace.value), trace.error)) nats "
      + (trace.value < 0 ? "less" : "more") + " surely than unseen ones; "
      + String(format: "p that nothing is left: %.2g.", p)
  }

  private static let rates = [(Metric.uliraTPR1, 0.01), (Metric.uliraTPR01, 0.001)]

  private static func json(_ error: Double?) -> JSONValue { error.map(JSONValue.double) ?? .null }

  private static func summary(_ values: [Double]) -> JSONValue {
    let all = SampleSummary(values)
    return [
      "mean": .double(all.mean), "std": .double(all.deviation),
      "above_0": .double(Double(values.count { $0 > 0 }) / Double(max(values.count, 1))),
    ]
  }
}
