import BulwarkStore
import BulwarkTraining
import BulwarkWatermark
import Foundation

/// What `watermark stress` and `run` share: check, estimate or attack, report. Exit code 2 when the model
/// itself does not show the key or has no place for it: then nothing was tested.
struct StressJob: RecipeJob {
  let command: String
  let resolved: ResolvedRecipe<StressRecipe>
  let options: RunOptions
  let console: Console

  func perform() throws {
    try options.refuseOrigin(remedy: "Leave it out; the recipe's checkpoint is the stolen model.")
    let recipe = resolved.recipe
    let folder = RunFolder(
      path: options.out ?? "runs/stress-seed\(recipe.seed)", skipBad: options.skipBad)
    try folder.check(resolved.text, force: options.force, resume: options.resume)
    let earlier = try StressRun.earlierSurrogates(recipe, out: folder.path)
    let attacks = folder.file("attacks")
    let store = StressStore(
      folder: attacks, keepsSurrogates: recipe.keepSurrogates, earlier: earlier,
      isPrivate: !recipe.key.isEmpty)
    let run = try StressRun(
      resolved, skipBad: options.skipBad, console: console,
      askedSample: options.dryRun ? StressDryRun.askedSample : nil)
    try refuseIdleViews(run.loaded.checkpoint)
    if options.dryRun {
      try StressDryRun(
        run: run, store: options.resume ? store : earlier.map { StressStore(folder: $0) }
      ).report(command: command)
      return
    }
    try folder.open(
      resolved.text, resume: options.resume,
      stale: [attacks] + ["stress.json", "stress.svg", "result.json"].map(folder.file))
    try OutputFile.makeFolder(attacks)
    try finish(report(run, store, folder), run: run, folder: folder)
  }

  /// Random views that are set must count.
  private func refuseIdleViews(_ checkpoint: Checkpoint) throws {
    let recipe = resolved.recipe
    guard recipe.views == .checkpoint, recipe.augmentation != StressRecipe().augmentation,
      let text = checkpoint.recipe, TrainRecipe(text: text, file: recipe.checkpoint) != nil
    else { return }
    throw ToolError.usage(
      "Settings under augmentation have no effect: the random views follow the recipe inside "
        + "\(recipe.checkpoint).",
      remedy: "Leave them out, or add --set views=recipe to follow this recipe instead.")
  }

  private func report(_ run: StressRun, _ store: StressStore, _ folder: RunFolder) throws
    -> StressReport
  {
    Interruption.install(.finishStep)
    let sink = ProgressSink(console, run: "stress")
    let session = try run.session(events: sink, stopRequested: { Interruption.isRequested })
    var run = run
    var done = -1
    do {
      for (models, count) in try run.missingNullModels() {
        console.note(
          "training \(count) null models (\(models.spoken)); \(run.recipe.cache) keeps them")
      }
      try run.chooseForeignKeys(session)
      let suite = try run.suite(nulls: run.nullScores(session))
      return try suite.run(on: run.loaded.model, data: run.data, store: store, session: session) {
        row, wasKept in
        done += 1
        console.note(
          "[\(done)/\(run.attacks.count)] \(row.spoken)\(wasKept ? " (from an earlier run)" : "")")
      }
    } catch let stop as TrainingInterrupted {
      console.clearProgress()
      throw EarlyExit(
        status: .interrupted,
        message: "bulwark: interrupted in \(stop.stage) after step \(stop.step); "
          + "\(folder.path) holds everything.\n"
          + "Continue with: \(folder.continuation)")
    }
  }

  private func finish(_ report: StressReport, run: StressRun, folder: RunFolder) throws {
    let files = (json: folder.file("stress.json"), plot: folder.file("stress.svg"))
    try AtomicFile.write(
      Data((try report.json().text() + "\n").utf8), to: files.json, overwrite: true,
      isPrivate: !resolved.recipe.key.isEmpty)
    try AtomicFile.write(Data(StressPlot(report).svg().utf8), to: files.plot, overwrite: true)
    let recipe = resolved.recipe
    let level = recipe.evidence.testedLevel
    var result = ResultObject(command: command)
    result.recipe = resolved.digest
    result.inputs = try run.bundle.inputs
    result.inputs["checkpoint"] = .string(recipe.checkpoint)
    for (name, path) in [("carriers", recipe.carriers), ("key", recipe.key)] where !path.isEmpty {
      result.inputs[name] = .string(path)
    }
    result.outputs = [
      "recipe": .string(folder.recipe), "report": .string(files.json), "plot": .string(files.plot),
      "result": .string(folder.result),
    ]
    result.rows = report.rows.map {
      .init(name: $0.attack, metrics: $0.metrics(testImages: report.testImages))
    }
    result.details = [
      "attacks": .int(run.attacks.count),
      "null_models": .array(report.nulls.map(population)),
      "failures": try JSONValue(encoding: report.failures),
      "verdict": .string(report.verdict(level: level)),
      "model_shows_key": report.showsKey(level: level).map(JSONValue.bool) ?? .null,
      "model_has_place_for_mark": .bool(report.isApplicable),
      "removed_by": names(report.successful(level: level)),
      "not_judged": names(report.unjudged(level: level)), "excluded": names(report.excluded),
    ]
    result.seconds = console.seconds
    try AtomicFile.write(Data((try result.line() + "\n").utf8), to: folder.result, overwrite: true)
    try console.finish(result) {
      report.table().lines() + report.failures.map { "\($0.attack) failed: \($0.reason)" } + [
        "", report.verdict(level: level),
      ]
        + ["written to \(folder.path); plot: \(files.plot)"]
    }
    guard report.isApplicable, report.showsKey(level: level) != false else {
      throw EarlyExit(status: .negative, message: nil)
    }
  }

  private func population(_ nulls: NullScores) -> JSONValue {
    var members: [String: JSONValue] = [
      "surrogates": .string(nulls.surrogates.spoken), "models": .string(nulls.models.spoken),
      "count": .int(nulls.scores.count), "smallest_possible_p": .double(nulls.smallestP),
    ]
    if let failure = nulls.failure { members["failure"] = .string(failure) }
    return .object(members)
  }

  private func names(_ rows: [StressReport.Row]) -> JSONValue {
    .array(rows.map { .string($0.attack) })
  }
}
