import BulwarkStore
import BulwarkTraining
import BulwarkWatermark
import Foundation

extension WatermarkVerifyJob {
  /// Prints the evidence and ends with status 2 unless the suspect is shown to be derived.
  func finish(
    _ report: VerificationReport, _ key: WatermarkKey, opened: [String], _ task: WatermarkTask,
    _ suspect: Suspect
  ) throws {
    var result = ResultObject(command: command)
    result.recipe = resolved.digest
    result.inputs = try task.bundle.inputs
    result.inputs.merge(suspect.inputs) { $1 }
    result.inputs["key"] = .string(resolved.recipe.key)
    result.metrics = metrics(report)
    result.details = try details(report, key, opened: opened, task)
    if let out = options.out {
      try OutputFile.makeFolder(out)
      let path = out + "/verification.json"
      result.outputs["report"] = .string(path)
      result.seconds = console.seconds
      try AtomicFile.write(Data((try result.line() + "\n").utf8), to: path, overwrite: true)
    }
    try console.finish(result) {
      lines(report, key, opened: opened, task)
    }
    if report.verdict != .derived { throw EarlyExit(status: .negative, message: nil) }
  }

  private func metrics(_ report: VerificationReport) -> [String: ResultMetric] {
    var metrics = [
      Metric.cleanAccuracy.name: ResultMetric(
        report.cleanAccuracy, unit: "fraction", n: report.cleanImages)
    ]
    if let rank = report.rank {
      let unit = Metric.all.first { $0.name == report.metric }?.unit ?? ""
      metrics[report.metric] = ResultMetric(rank.observed, unit: unit, n: report.count)
      metrics[Metric.watermarkRankP.name] = ResultMetric(
        rank.log10P, unit: Metric.watermarkRankP.unit, n: rank.cells)
    }
    if let counted = report.counted {
      let name = report.scheme.hasCarriers ? Metric.carrierAccuracy.name : Metric.bitAccuracy.name
      metrics[name] = ResultMetric(
        Double(counted.hits) / Double(counted.count), unit: "fraction", n: counted.count)
      if let p = counted.log10P {
        metrics[Metric.watermarkBinomialP.name] = ResultMetric(
          p, unit: Metric.watermarkBinomialP.unit, n: counted.count)
      }
    }
    return metrics
  }

  private func details(
    _ report: VerificationReport, _ key: WatermarkKey, opened: [String], _ task: WatermarkTask
  ) throws -> [String: JSONValue] {
    func summary(_ scores: [Double]) -> JSONValue {
      let values = VerificationReport.summary(scores)
      guard values.low.isFinite else { return .null }
      return [
        "smallest": .double(values.low), "median": .double(values.median),
        "largest": .double(values.high), "count": .int(scores.count),
      ]
    }
    var details: [String: JSONValue] = [
      "verdict": .string(report.verdict.rawValue), "sentence": .string(report.sentence),
      "scheme": .string(report.scheme.rawValue), "owner": .string(report.owner),
      "access": .string(report.access.rawValue), "metric": .string(report.metric),
      "level": .double(report.level),
      "commitments": .int(report.commitments), "tested_level": .double(report.testedLevel),
      "commitment": try key.commitment().map { .string($0.description) } ?? .null,
      "commitment_opens": .array(opened.map(JSONValue.string)),
      "committed": .bool(report.isCommitted), "images_drawn_again": .bool(report.isDrawn),
      "warnings": .array(
        warnings(report, key, hasTest: task.bundle.test != nil).map(JSONValue.string)),
      "class_shares": .object(
        Dictionary(
          zip(task.data.train.classNames, report.classShares.map(JSONValue.double)),
          uniquingKeysWith: { $1 })),
    ]
    if let rank = report.rank {
      details["rank"] = [
        "p": .double(rank.p), "pairs": .int(rank.cells), "pairs_as_high": .int(rank.reached),
        "smallest_possible_p": .double(rank.smallestP),
        "p_among_models": .double(rank.modelP), "p_among_keys": .double(rank.keyP),
        "smallest_possible_p_among_models": .double(rank.smallestModelP),
        "smallest_possible_p_among_keys": .double(rank.smallestKeyP),
        "null_models": .int(rank.nulls.count), "foreign_keys": .int(rank.foreign.count),
        "suspect_keys": .int(rank.foreignKeys), "key_rank": .string(rank.keyRank.rawValue),
        "suspect_under_foreign_keys": summary(rank.foreign + rank.further),
        "null_models_under_owner_key": summary(rank.nulls.compactMap(\.first)),
        "null_models_under_foreign_keys": summary(rank.nulls.flatMap { $0.dropFirst() }),
      ]
      if rank.keyRank == .excess {
        details["beyond_null_models"] = [
          "owner_key": .double(rank.beyond[0]),
          "foreign_keys": summary(Array(rank.beyond.dropFirst())),
        ]
      }
      details["scores"] = try JSONValue(encoding: rank)
    }
    if let counted = report.counted { details["counted"] = try JSONValue(encoding: counted) }
    return details
  }

  private func lines(
    _ report: VerificationReport, _ key: WatermarkKey, opened: [String], _ task: WatermarkTask
  ) -> [String] {
    func row(_ name: String, _ scores: [Double]) -> [String] {
      let values = VerificationReport.summary(scores)
      return [name, "\(scores.count)"]
        + [values.low, values.median, values.high].map { String(format: "%.3f", $0) }
    }
    var lines = [report.sentence, ""]
    if let rank = report.rank {
      var table = Table(report.metric, "pairs", "smallest", "median", "largest")
      table.rows = [
        row("suspect, owner's key", [rank.observed]),
        row("suspect, foreign keys", rank.foreign + rank.further),
        row("null models, owner's key", rank.nulls.compactMap(\.first)),
        row("null models, foreign keys", rank.nulls.flatMap { $0.dropFirst() }),
      ]
      if rank.keyRank == .excess {
        table.rows += [
          row("suspect beyond null models, owner's key", [rank.beyond[0]]),
          row("suspect beyond null models, foreign keys", Array(rank.beyond.dropFirst())),
        ]
      }
      lines += table.lines()
      lines.append(
        String(
          format:
            "rank p %.3g (log10 %.2f), smallest possible %.3g; among models alone %.3g (%.3g), "
            + "among keys alone %.3g (%.3g)", rank.p, rank.log10P, rank.smallestP, rank.modelP,
          rank.smallestModelP, rank.keyP, rank.smallestKeyP))
    }
    if let counted = report.counted {
      lines.append("counted: \(spoken(counted))")
      for (kind, counted) in (counted.kinds ?? [:]).sorted(by: { $0.key < $1.key }) {
        lines.append("  \(kind): \(spoken(counted))")
      }
    }
    let shares = zip(task.data.train.classNames, report.classShares).map { "\($0) \(percent($1))" }
    lines += [
      "clean accuracy \(percent(report.cleanAccuracy)); clean images by class: "
        + shares.joined(separator: ", "),
      "commitment opens: \(opened.joined(separator: ", "))",
    ]
    return lines + warnings(report, key, hasTest: task.bundle.test != nil).map { "warning: \($0)" }
  }

  private func spoken(_ counted: VerificationReport.Counted) -> String {
    let tail =
      counted.log10P.map {
        String(
          format: "binomial log10 p %.2f (independent random labels, chance %.3g)", $0,
          counted.chance ?? 0)
      } ?? "no binomial p: \(spoken(counted.withheld))"
    return "\(counted.hits) of \(counted.count); \(tail)"
  }

  private func spoken(_ reason: VerificationReport.Counted.Reason?) -> String {
    switch reason {
    case .notCommitted: "no published commitment was given, so labels may be chosen"
    case .notDrawn: "the images could not be drawn again, so labels may be chosen"
    case .sharedLabels, nil: "labels are shared, so hits are not independent"
    }
  }
}
