import BulwarkTraining
import BulwarkWatermark
import Foundation

extension StressReport.Reading {
  /// The unit of the statistic.
  fileprivate var unit: String { Metric.all.first { $0.name == score }?.unit ?? "fraction" }

  /// The statistic: a share in percent, anything else as a number.
  fileprivate var spoken: String { value.map(spoken) ?? "–" }

  /// Any value of the statistic.
  fileprivate func spoken(_ value: Double) -> String {
    unit == "fraction" ? percent(value) : String(format: "%.3g", value)
  }
}

extension StressReport.Row {
  /// One line of numbers.
  var spoken: String {
    var parts = ["accuracy \(percent(accuracy)) (\(points(accuracyChange)))"]
    if let own {
      let score = own.score.replacing("_", with: " ")
      parts.append("\(score) \(own.spoken)")
      if let spokenCarriers { parts.append("carriers \(spokenCarriers)") }
      if let p = own.pValue, let log = own.log10P {
        parts.append(String(format: "p %.3g (log10 %.2f)", p, log))
      }
    }
    parts.append("largest class shift \(percent(classPriorShift))")
    if attack != StressReport.untouched { parts.append(spokenDuration(seconds)) }
    return "\(attack): " + parts.joined(separator: ", ")
  }

  /// `66.0 %`, or with several kinds `66.0 % (patch 10.0 %, shading 94.0 %)`; nil where nothing is counted.
  fileprivate var spokenCarriers: String? {
    counted.map { all in
      let kinds = (kinds ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key) \(percent($0.value))" }
      return percent(all) + (kinds.isEmpty ? "" : " (\(kinds.joined(separator: ", ")))")
    }
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
      if let value = own.value { metrics[own.score] = ResultMetric(value, unit: own.unit) }
      if let p = own.pValue {
        metrics[Metric.pValue.name] = ResultMetric(p, unit: Metric.pValue.unit)
      }
      if let log = own.log10P {
        metrics[Metric.watermarkRankP.name] = ResultMetric(log, unit: Metric.watermarkRankP.unit)
      }
    }
    if let counted {
      metrics[Metric.carrierAccuracy.name] = ResultMetric(counted, unit: "fraction")
    }
    if let foreign = strongestForeign, let value = foreign.value {
      metrics[Metric.foreignScore.name] = ResultMetric(value, unit: foreign.unit)
    }
    if let own, let value = ownWithOriginalLastLayer {
      // Hits, where the mark has any.
      metrics[Metric.originalLastLayerScore.name] = ResultMetric(
        value, unit: counted == nil ? own.unit : "fraction")
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
    let hasCount = rows.contains { $0.counted != nil }
    let hasP = rows.contains { $0.own?.pValue != nil }
    var table = Table(
      header: ["attack", "accuracy", "change"] + (hasCount ? ["carriers"] : [])
        + [score] + (hasForeign ? ["foreign"] : [])
        + (hasP ? ["p", "log10 p"] : []) + ["class shift", "time", ""])
    table.rows = rows.map { row in
      let cells = [
        row.attack, percent(row.accuracy), row.points(row.accuracyChange),
      ]
      let count = hasCount ? [row.spokenCarriers ?? "–"] : []
      let foreign = hasForeign ? [row.strongestForeign?.spoken ?? "–"] : []
      let p =
        hasP
        ? [
          row.own?.pValue.map { String(format: "%.3g", $0) } ?? "–",
          row.own?.log10P.map { String(format: "%.2f", $0) } ?? "–",
        ] : []
      let notes =
        (row.losesTooMuch ? ["lost more than \(percent(margin))"] : [])
        + (row.ownWithOriginalLastLayer.map {
          [
            "original last layer: \(row.counted == nil ? row.own?.spoken($0) ?? percent($0) : percent($0))"
          ]
        } ?? [])
        + (row.hiddenLead.map {
          ["leads by \(row.own?.spoken($0) ?? percent($0)) beyond null models"]
        } ?? [])
      return cells + count + [row.own?.spoken ?? "–"] + foreign + p
        + [
          percent(row.classPriorShift), spokenDuration(row.seconds), notes.joined(separator: "; "),
        ]
    }
    return table
  }

  /// What the run shows, in a few sentences.
  func verdict(level: Double) -> String {
    guard isApplicable else {
      return "Not applicable: the model has no place for this mark, so there is nothing to remove, "
        + "and no attack is judged."
    }
    guard let base = rows.first?.own, let p = base.pValue, let smallest = base.smallestP else {
      return "Without null models that have a place for the mark (--nulls, --null-model) no "
        + "p-value can be given: the scores alone prove nothing."
    }
    let short = String(format: "%.3g", p)
    guard let isShown = showsKey(level: level) else {
      let population = nulls.first?.scores ?? []
      return
        "\(population.count) null models and \(population.first?.count ?? 0) keys cannot give a p-value "
        + "below \(String(format: "%.2g", smallest)): the level \(level) needs more."
    }
    guard isShown else {
      let reason =
        p <= level ? ", but a null model scores as high or a foreign key does as well" : ""
      return "The model does not show this key (p = \(short), level \(level)\(reason)): there is "
        + "nothing to remove, and no attack is judged."
    }
    let parts = [
      judgment(level: level),
      named(
        "Not judged, for want of null models of their surrogates' architecture or of a place for the "
          + "mark", unjudged(level: level)),
      named("Not counted, for losing more than \(percent(margin)) of accuracy", excluded),
    ]
    return parts.compactMap(\.self).joined(separator: " ")
  }

  /// What the judged attacks show.
  private func judgment(level: Double) -> String {
    let removed = successful(level: level)
    if let sentence = named(
      "Removed at an accuracy within \(percent(margin)) (not shown at level \(level))", removed)
    {
      return sentence
    }
    return survived(level: level).isEmpty
      ? "No attack was judged, so nothing is known of what the mark survives."
      : "The key is shown (p at most \(level)) after every judged attack that keeps the accuracy within "
        + "\(percent(margin))."
  }

  /// A sentence that names attacks; nil for none.
  private func named(_ what: String, _ rows: [Row]) -> String? {
    rows.isEmpty ? nil : "\(what): \(rows.map(\.attack).joined(separator: ", "))."
  }
}
