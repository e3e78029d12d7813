import BulwarkTraining
import BulwarkWatermark
import Foundation

extension StressReport.Row {
  /// One line of numbers.
  var spoken: String {
    var parts = ["accuracy \(percent(accuracy)) (\(points(accuracyChange)))"]
    if let own {
      let score = own.score.replacing("_", with: " ")
      parts.append("\(score) \(own.value.map(percent) ?? "–")")
      if let p = own.pValue { parts.append("p \(String(format: "%.3g", p))") }
    }
    parts.append("largest class shift \(percent(classPriorShift))")
    if attack != StressReport.untouched { parts.append(spokenDuration(seconds)) }
    return "\(attack): " + parts.joined(separator: ", ")
  }

  /// The numbers under the names of the metric dictionary; the owner's score under its own name.
  func metrics(testImages: Int) -> [String: ResultMetric] {
    var metrics = [
      Metric.cleanAccuracy.name: ResultMetric(accuracy, unit: "fraction", n: testImages),
      Metric.accuracyChange.name: ResultMetric(accuracyChange, unit: "fraction", n: testImages),
      Metric.classPriorShift.name: ResultMetric(classPriorShift, unit: "fraction", n: testImages),
      Metric.attackTime.name: ResultMetric(seconds, unit: "seconds"),
    ]
    if let own {
      if let value = own.value { metrics[own.score] = ResultMetric(value, unit: "fraction") }
      if let p = own.pValue {
        metrics[Metric.pValue.name] = ResultMetric(p, unit: Metric.pValue.unit)
      }
    }
    if let value = strongestForeign?.value {
      metrics[Metric.foreignScore.name] = ResultMetric(value, unit: "fraction")
    }
    if let value = ownWithOriginalLastLayer {
      metrics[Metric.originalLastLayerScore.name] = ResultMetric(value, unit: "fraction")
    }
    return metrics
  }

  /// `-1.2` for a loss of 0.012.
  fileprivate func points(_ change: Double) -> String { String(format: "%+.1f", 100 * change) }
}

extension StressReport {
  /// One line an attack.
  func table() -> Table {
    let score = rows.first?.own?.score.replacing("_", with: " ") ?? "score"
    let hasForeign = rows.contains { $0.strongestForeign != nil }
    let hasP = rows.contains { $0.own?.pValue != nil }
    var table = Table(
      header: ["attack", "accuracy", "change", score] + (hasForeign ? ["foreign"] : [])
        + (hasP ? ["p"] : []) + ["class shift", "time", ""])
    table.rows = rows.map { row in
      let cells = [
        row.attack, percent(row.accuracy), row.points(row.accuracyChange),
        row.own?.value.map(percent) ?? "–",
      ]
      let foreign = hasForeign ? [row.strongestForeign?.value.map(percent) ?? "–"] : []
      let p = hasP ? [row.own?.pValue.map { String(format: "%.3g", $0) } ?? "–"] : []
      let notes =
        (row.losesTooMuch ? ["lost more than \(percent(margin))"] : [])
        + (row.ownWithOriginalLastLayer.map { ["original last layer: \(percent($0))"] } ?? [])
      return cells + foreign + p
        + [
          percent(row.classPriorShift), spokenDuration(row.seconds), notes.joined(separator: "; "),
        ]
    }
    return table
  }

  /// What the run shows, in one sentence.
  func verdict(level: Double) -> String {
    guard rows.contains(where: { $0.own?.pValue != nil }) else {
      return
        "Without null models (--nulls, --null-model) no p-value can be given: the scores alone prove nothing."
    }
    let cells = (nulls.first?.count ?? 0) * (nulls.count + 1)
    guard 1 / Double(max(cells, 1)) <= level else {
      return
        "\(cells) pairs of \(nulls.count) null models and \(nulls.first?.count ?? 0) keys cannot "
        + "give a p-value below \(String(format: "%.2g", 1 / Double(max(cells, 1)))): the level "
        + "\(level) needs more."
    }
    let removed = successful(level: level).map(\.attack)
    return removed.isEmpty
      ? "No attack that keeps the accuracy within \(percent(margin)) takes the watermark below "
        + "p = \(level)."
      : "Removed at an accuracy within \(percent(margin)) (p above \(level)): "
        + removed.joined(separator: ", ") + "."
  }
}
