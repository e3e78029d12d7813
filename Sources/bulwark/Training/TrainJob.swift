import BulwarkDefense
import BulwarkStore
import BulwarkTraining
import Foundation

/// What `train` and `run` share: check, estimate or train, report.
struct TrainJob: RecipeJob {
  let command: String
  let resolved: ResolvedRecipe<TrainRecipe>
  let options: RunOptions
  let console: Console

  func perform() throws {
    let methods = try resolved.recipe.resolvedMethods()
    if !methods.contains(.dbd) {
      try options.refuseOrigin(remedy: "Leave it out, or add dbd to the methods.")
    }
    let names = methods.map(\.rawValue).joined(separator: "-")
    let folder = RunFolder(
      path: options.out ?? "runs/\(names)-seed\(resolved.recipe.seed)", skipBad: options.skipBad)
    try folder.check(resolved.text, force: options.force, resume: options.resume)
    let stale =
      TrainRecipe.Method.allCases.map(folder.checkpoint)
      + DBDTrainer.Stage.allCases.map { folder.checkpoint(before: $0) }
      + ["result.json", "suspicion.json", "suspicion.h5", "poison.json", "pictures.png"]
      .map(folder.file)
    if !options.resume { try folder.refuseRemoved([resolved.recipe.leaveOut], among: stale) }
    let run = try TrainRun(resolved, skipBad: options.skipBad, console: console)
    // Before anything of an earlier run goes: the origin may lie in the same folder.
    let origin = try options.from.map { try RunOrigin($0, of: run) }
    if options.dryRun {
      try report(DryRun(run: run, origin: origin?.stage).stages())
      return
    }
    try folder.open(resolved.text, resume: options.resume, stale: stale)
    let execution = TrainExecution(run: run, folder: folder)
    if let origin { try execution.start(from: origin) }
    let (result, table) = try execution(command: command)
    try console.finish(result) { table.lines() + ["", "written to \(folder.path)"] }
  }

  private func report(_ stages: [WorkEstimate.Stage]) throws {
    let estimate = WorkEstimate(stages)
    var result = ResultObject(command: command)
    result.recipe = resolved.digest
    result.metrics = estimate.metrics
    result.details = ["dry_run": true]
    try console.finish(result) {
      ["Everything checked; nothing was trained."] + Table(stages).lines() + [estimate.line()]
    }
  }
}
