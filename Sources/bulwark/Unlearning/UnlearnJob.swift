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
    let recipe = resolved.recipe
    try options.refuseOrigin(remedy: "Leave it out; the recipe's checkpoint is unlearned from.")
    let name = try recipe.rows().map(\.fileName).joined(separator: "-")
    let folder = RunFolder(
      path: options.out ?? "runs/unlearn-\(name)-seed\(recipe.seed)", skipBad: options.skipBad)
    try folder.check(resolved.text, force: options.force, resume: options.resume)
    let stale = leftovers(in: folder)
    if !options.resume {
      try folder.refuseRemoved(
        [recipe.checkpoint, recipe.forget, recipe.leaveOut, recipe.trigger], among: stale)
    }
    let run = try UnlearnRun(resolved, skipBad: options.skipBad, console: console)
    // Every forget set is checked before anything is written.
    let inputs = try run.seeds.map { ($0, try run.input(seed: $0)) }
    if recipe.audit.shadows > 0 { _ = try ShadowAudit(run: run).design() }
    if run.test == nil {
      console.note(
        "note: there are no test images, so TA and MIA, and with them Avg Gap, are not measured; an image folder "
          + "has them in test/CLASS beside train/CLASS")
    }
    if options.dryRun {
      try UnlearnDryRun(run: run).report(command: command)
      return
    }
    let execution = UnlearnExecution(run: run, folder: folder)
    try folder.open(resolved.text, resume: options.resume, stale: stale)
    var report = try execution()
    if recipe.audit.shadows > 0 {
      // What is measured is kept, whatever becomes of the audit.
      _ = try write(report, run: run, folder: folder, execution: execution, inputs: inputs)
      let audit = ShadowAudit(run: run)
      try report.add(try audit(), of: audit.audited(), seed: recipe.seed)
    }
    let result = try write(
      report, run: run, folder: folder, execution: execution, inputs: inputs)
    try console.finish(result) {
      report.table().lines() + [""] + ForgettingReport.legend + report.audit.map(\.sentence)
        + report.verdicts
        + ["written to \(folder.path)"]
    }
  }

  /// What an earlier run may have left in the folder: its results, and the checkpoints of any method and seed.
  private func leftovers(in folder: RunFolder) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    let results = ["costs.json", "measured", "forgetting.json", "forgetting.h5", "result.json"]
    return (names.filter(Self.isCheckpoint) + results).map(folder.file)
  }

  /// Whether a name is that of a row's checkpoint, such as `salun-seed0.h5` or `ft-random-seed3.h5`.
  private static func isCheckpoint(_ name: String) -> Bool {
    guard name.hasSuffix(".h5"), let mark = name.range(of: "-seed", options: .backwards),
      UInt64(name[mark.upperBound...].dropLast(3)) != nil
    else { return false }
    let row = String(name[..<mark.lowerBound])
    return UnlearningMethod.allCases.contains { method in
      method.startsFromCheckpoint
        && (row == method.rawValue
          || MaskOptions.Kind.allCases.contains { row == "\(method.rawValue)-\($0.rawValue)" })
    }
  }

  /// Writes the report and the result into the run's folder.
  private func write(
    _ report: ForgettingReport, run: UnlearnRun, folder: RunFolder, execution: UnlearnExecution,
    inputs: [(UInt64, UnlearningInput)]
  ) throws -> ResultObject {
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
    result.inputs["forget_set_digests"] = .object(
      Dictionary(
        uniqueKeysWithValues: inputs.map { seed, input in
          ("\(seed)", JSONValue.string(input.forgetSet.digest))
        }))
    result.outputs = [
      "recipe": .string(folder.recipe), "forgetting_json": .string(files.json),
      "forgetting_hdf5": .string(files.hdf5), "result": .string(folder.result),
    ]
    let reference = try MethodRow(parsing: ForgettingReport.reference)
    let rows = try resolved.recipe.rows().filter { $0 != reference } + [reference]
    for (seed, input) in inputs {
      for row in rows where report.hasModel(row.name, seed: seed) {
        result.outputs["checkpoint_\(row.fileName)-seed\(seed)"] = .string(
          try execution.path(row, input, seed: seed))
      }
    }
    result.rows = report.names.map { .init(name: $0, metrics: report.metrics(of: $0)) }
    result.details = [
      "seeds": .array(run.seeds.map(JSONValue.unsigned)),
      "forget_samples": .int(inputs[0].1.forgetSet.forget.count), "models": report.models,
      "verdicts": .array(report.verdicts.map(JSONValue.string)),
    ]
    if !report.audit.isEmpty { result.details?["ulira"] = report.auditJSON }
    result.seconds = console.seconds
    try AtomicFile.write(Data((try result.line() + "\n").utf8), to: folder.result, overwrite: true)
    return result
  }
}
