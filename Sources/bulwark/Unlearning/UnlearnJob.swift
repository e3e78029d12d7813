import BulwarkStore
import BulwarkTraining
import BulwarkUnlearning
import Foundation

/// What `unlearn` and `run` share: check, estimate or unlearn, report.
struct UnlearnJob: RecipeJob {
  let command: String
  let resolved: ResolvedRecipe<UnlearnRecipe>
  let options: RunOptions
  let console: Console

  func perform() throws {
    try options.refuseOrigin(remedy: "Name what is unlearned from with --checkpoint.")
    let rows = try resolved.recipe.rows()
    let name = rows.map(\.fileName).joined(separator: "-")
    let folder = RunFolder(path: options.out ?? "runs/unlearn-\(name)-seed\(resolved.recipe.seed)")
    try folder.check(resolved.text, force: options.force, resume: options.resume)
    let run = try UnlearnRun(resolved, skipBad: options.skipBad, console: console)
    // Every forget set is checked before anything is written.
    let inputs = try run.seeds.map { ($0, try run.input(seed: $0)) }
    if options.dryRun {
      try UnlearnDryRun(run: run).report(command: command)
      return
    }
    let execution = UnlearnExecution(run: run, folder: folder)
    let own = rows.filter(\.method.startsFromCheckpoint)
    let stale = try inputs.flatMap { seed, input in
      try own.map { try execution.path($0, input, seed: seed) }
    }
    try folder.open(
      resolved.text, resume: options.resume,
      stale: stale + ["costs.json", "measured"].map(folder.file))
    var report = try execution()
    if resolved.recipe.audit.shadows > 0 {
      let audit = ShadowAudit(run: run)
      try report.add(try audit(), of: audit.audited(), seed: resolved.recipe.seed)
    }
    try finish(report, run: run, folder: folder, execution: execution, inputs: inputs)
  }

  private func finish(
    _ report: ForgettingReport, run: UnlearnRun, folder: RunFolder, execution: UnlearnExecution,
    inputs: [(UInt64, UnlearningInput)]
  ) throws {
    let files = (json: folder.file("forgetting.json"), hdf5: folder.file("forgetting.h5"))
    let text = try report.json().text() + "\n"
    try AtomicFile.write(Data(text.utf8), to: files.json, overwrite: true)
    try report.write(hdf5: files.hdf5, overwrite: true)

    var result = ResultObject(command: command)
    result.recipe = resolved.digest
    result.inputs = try run.bundle.inputs
    result.inputs["checkpoint"] = .string(resolved.recipe.checkpoint)
    result.inputs["checkpoint_digest"] = .string(run.originalDigest)
    result.inputs["forget"] = .string(resolved.recipe.forget)
    result.inputs["forget_set_digest"] = .string(inputs[0].1.forgetSet.digest)
    result.outputs = [
      "recipe": .string(folder.recipe), "forgetting_json": .string(files.json),
      "forgetting_hdf5": .string(files.hdf5), "result": .string(folder.result),
    ]
    for (seed, input) in inputs {
      for row in try resolved.recipe.rows() {
        result.outputs["checkpoint_\(row.fileName)-seed\(seed)"] = .string(
          try execution.path(row, input, seed: seed))
      }
    }
    result.rows = report.names.map { .init(name: $0, metrics: report.metrics(of: $0)) }
    result.details = [
      "seeds": .array(run.seeds.map(JSONValue.unsigned)),
      "forget_samples": .int(inputs[0].1.forgetSet.forget.count),
      "verdicts": .array(report.verdicts.map(JSONValue.string)),
    ]
    if report.audit != .null { result.details?["ulira"] = report.audit }
    result.seconds = console.seconds
    try AtomicFile.write(Data((try result.line() + "\n").utf8), to: folder.result, overwrite: true)
    try console.finish(result) {
      report.table().lines() + [""] + ForgettingReport.legend + report.verdicts
        + ["written to \(folder.path)"]
    }
  }
}

extension ForgettingReport {
  /// Puts what an audit found into the rows, and the counts beside them.
  ///
  /// The audit is of the recipe, not of a seed: it stands in the first row of its name. Retrain is always
  /// audited; where it is not measured as a reference, it gets a row with the audit alone.
  mutating func add(_ findings: [ShadowAudit.Finding], of audited: ForgetSet, seed: UInt64) {
    for finding in findings {
      if let place = rows.firstIndex(where: { $0.name == finding.name }) {
        rows[place].values += finding.values
      } else {
        rows.append(
          Row(
            name: finding.name, seed: seed, checkpointDigest: nil, forgetSet: audited,
            values: finding.values, confidence: []))
      }
    }
    audit = .object(
      Dictionary(findings.map { ($0.name, $0.details) }, uniquingKeysWith: { a, _ in a }))
  }

  /// The means over seeds of a row's measures, and its gap to Retrain.
  func metrics(of name: String) -> [String: ResultMetric] {
    var metrics: [String: ResultMetric] = [:]
    for definition in Metric.all {
      guard let summary = summary(definition, of: name) else { continue }
      let count = rows(named: name).first?.values.first { $0.definition == definition }?.count
      metrics[definition.name] = ResultMetric(summary.mean, unit: definition.unit, n: count)
    }
    if name != Self.reference, let gap = gap(of: name) {
      for (definition, value) in [
        (Metric.averageGap, gap.ofMeans), (Metric.averageGapPerSeed, gap.perSeed.mean),
      ] {
        metrics[definition.name] = ResultMetric(
          value, unit: definition.unit, n: gap.perSeed.seeds)
      }
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
