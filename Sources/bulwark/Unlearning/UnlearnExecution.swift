import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import BulwarkUnlearning
import Foundation

/// Runs every method of a recipe on every seed, measures, and collects the forgetting report.
struct UnlearnExecution {
  let run: UnlearnRun
  let folder: RunFolder

  private var console: Console { run.console }
  private var measuredRows: MeasuredRows { MeasuredRows(run: run, folder: folder) }

  /// Runs everything that is left. A method that diverges is named in the report; the others go on.
  ///
  /// - Throws: `EarlyExit` with status 75 when a signal came; the checkpoint is written then. The error
  ///   of the last method when every one diverged.
  func callAsFunction() throws -> ForgettingReport {
    Interruption.install(.finishStep)
    var rows: [ForgettingReport.Row] = []
    var failures: [ForgettingReport.Failure] = []
    for seed in run.seeds {
      let input = try run.input(seed: seed)
      console.note(
        "seed \(seed): forgetting \(input.forgetSet.forget.count) of \(input.forgetSet.total) "
          + "samples (\(input.forgetSet.origin))")
      rows.append(try original(input, seed: seed))
      var order = try run.recipe.rows()
      let reference = try MethodRow(parsing: ForgettingReport.reference)
      if run.recipe.reference == .retrain || order.contains(reference) {
        order.removeAll { $0 == reference }
        order.insert(reference, at: 0)
      }
      for row in order {
        do {
          rows.append(try perform(row, input, seed: seed))
        } catch let error as any BulwarkError where diverged(error) {
          console.clearProgress()
          console.note("\(row.name), seed \(seed): \(error.summary); \(error.remedy)")
          failures.append(
            .init(name: row.name, seed: seed, reason: "\(error.summary); \(error.remedy)"))
          let isLast = seed == run.seeds.last && row == order.last
          let references = [ForgettingReport.original, ForgettingReport.reference]
          if isLast, rows.allSatisfy({ references.contains($0.name) }) { throw error }
        }
      }
    }
    return ForgettingReport(
      originalDigest: run.originalDigest, recipeDigest: run.resolved.digest,
      rows: withTimeShares(rows), labels: run.bundle.train.labels, failures: failures)
  }

  /// Where the checkpoint of a row is written.
  func path(_ row: MethodRow, _ input: UnlearningInput, seed: UInt64) throws -> String {
    row.method.startsFromCheckpoint
      ? folder.file("\(row.fileName)-seed\(seed).h5")
      : try RetrainCache(run: run).path(input, seed: seed)
  }

  private func evaluator(_ input: UnlearningInput) -> ForgettingEvaluator {
    ForgettingEvaluator(input: input, test: run.test, triggered: run.triggered)
  }

  private func original(_ input: UnlearningInput, seed: UInt64) throws -> ForgettingReport.Row {
    let name = "\(ForgettingReport.original)-seed\(seed)"
    if let kept = try measuredRows.row(
      name, of: nil, input, seed: seed, checkpoint: run.originalDigest)
    {
      return kept
    }
    let session = try run.session(seed: seed, events: nil)
    let outcome = try evaluator(input).measure(run.loaded.model, session: session)
    let row = ForgettingReport.Row(
      name: ForgettingReport.original, seed: seed, checkpointDigest: run.originalDigest,
      forgetSet: input.forgetSet, values: outcome.values, confidence: outcome.confidence)
    try keep(row, as: name, of: nil, input)
    return row
  }

  /// Keeps a row for a run that goes on later, and says what it holds.
  private func keep(
    _ row: ForgettingReport.Row, as name: String, of method: MethodRow?, _ input: UnlearningInput
  ) throws {
    try measuredRows.keep(row, as: name, of: method, input)
    let shown = [
      ("UA", Metric.unlearningAccuracy), ("RA", Metric.retainAccuracy),
      ("TA", Metric.testAccuracy), ("MIA", Metric.miaEfficacy),
      ("attack success", Metric.attackSuccessRate),
    ].compactMap { title, definition in
      row.value(definition).map { "\(title) \(String(format: "%.2f", 100 * $0)) %" }
    }
    console.note("\(row.name), seed \(row.seed): \(shown.joined(separator: ", "))")
  }

  /// Runs and measures a row. A reference in a cache that several runs share is trained by one of them.
  private func perform(_ row: MethodRow, _ input: UnlearningInput, seed: UInt64) throws
    -> ForgettingReport.Row
  {
    let path = try path(row, input, seed: seed)
    try OutputFile.makeFolder(URL(fileURLWithPath: path).deletingLastPathComponent().path)
    guard !row.method.startsFromCheckpoint else {
      return try perform(row, input, seed: seed, path: path)
    }
    let rows = try FileClaim.share(
      [path],
      waiting: { isFirst in
        if isFirst { console.note("waiting for \(row.name), which another run trains") }
        guard Interruption.isRequested else { return }
        throw EarlyExit(
          status: .interrupted,
          message: "bulwark: interrupted while another run trains \(path).\n"
            + "Continue with: \(folder.continuation)")
      }
    ) { _ in try perform(row, input, seed: seed, path: path) }
    return rows[0]
  }

  private func perform(_ row: MethodRow, _ input: UnlearningInput, seed: UInt64, path: String)
    throws
    -> ForgettingReport.Row
  {
    let name = "\(row.fileName)-seed\(seed)"
    if FileManager.default.fileExists(atPath: path),
      let digest = try? Checkpoint.inspectSummary(path).digest,
      let kept = try measuredRows.row(name, of: row, input, seed: seed, checkpoint: digest)
    {
      return kept
    }
    let costs = CostFile(
      path: row.method.startsFromCheckpoint ? folder.file("costs.json") : path + ".costs.json")
    let sink = ProgressSink(console, run: run.recipe.seeds > 1 ? name : row.name)
    // Weak: the run holds its session, which holds what saves it.
    weak var current: (any UnlearningRun)?
    // What earlier processes have spent; nil where they left a checkpoint and their costs are lost.
    var earlier: UnlearningCost? = UnlearningCost()
    let session = try run.session(
      seed: seed, events: sink, stopRequested: { Interruption.isRequested },
      save: { checkpoint in
        // First, so that no checkpoint is there without its costs.
        if let current, let earlier { try costs.set(earlier + current.cost, of: name) }
        try store(checkpoint, of: row, at: path)
      })
    let unlearning = try run.run(row, input, session: session)
    current = unlearning
    if FileManager.default.fileExists(atPath: path) {
      let checkpoint = try Checkpoint(reading: path)
      try unlearning.restore(checkpoint)
      earlier = costs.read()[name]
      console.detail("\(name): going on from \(path), stage \(checkpoint.progress.stage)")
    }
    do {
      try unlearning.run()
    } catch let stop as TrainingInterrupted {
      console.clearProgress()
      throw interrupted(stop, path: path)
    } catch let error as any BulwarkError {
      // What a run saved on the way to numbers that are none is no result.
      if diverged(error) { try? FileManager.default.removeItem(atPath: path) }
      throw error
    }
    sink.finishStage()
    let cost = earlier.map { $0 + unlearning.cost }
    if let cost { try costs.set(cost, of: name) }
    // The trainer inside a retraining saves without a word about the forget set.
    if !row.method.startsFromCheckpoint { try store(unlearning.snapshot(), of: row, at: path) }
    return try measured(row, unlearning, input, seed: seed, path: path, cost: cost)
  }

  /// Whether a method, or the training of Retrain, came to numbers that are none.
  private func diverged(_ error: any BulwarkError) -> Bool {
    if case .notFinite = error as? UnlearningError { return true }
    if case .diverged = error as? TrainingError { return true }
    return false
  }

  private func measured(
    _ row: MethodRow, _ unlearning: any UnlearningRun, _ input: UnlearningInput, seed: UInt64,
    path: String, cost: UnlearningCost?
  ) throws -> ForgettingReport.Row {
    let session = try run.session(seed: seed, events: nil)
    let outcome = try evaluator(input).measure(unlearning.model, session: session)
    guard outcome.confidence.allSatisfy(\.isFinite) else {
      // Finite weights can be so large that answers are not; such a checkpoint is no result either.
      try? FileManager.default.removeItem(atPath: path)
      throw UnlearningError.notFinite("answers", at: "after the last step")
    }
    var values = outcome.values
    if let cost { values.append(MetricValue(Metric.unlearningTime, cost.seconds, count: 1)) }
    let weights = StateDict(try unlearning.model.state.snapshot().map { ($0.name, $0.tensor) })
    if let unlearner = unlearning as? Unlearner, let mask = unlearner.mask {
      let movement = try mask.largestMovementOutside(
        from: run.loaded.checkpoint.weights, to: weights)
      values.append(
        MetricValue(
          Metric.maskCount, Double(try mask.count()), count: unlearner.movableWeights))
      values.append(MetricValue(Metric.movementOutsideMask, movement, count: mask.total))
    }
    if run.recipe.relearning.enabled {
      values += try relearned(
        row, weights, unlearning.model.architecture, input, session: session)
    }
    let measured = ForgettingReport.Row(
      name: row.name, seed: seed, checkpointDigest: try Checkpoint.inspectSummary(path).digest,
      forgetSet: input.forgetSet, values: values, confidence: outcome.confidence,
      settings: try run.settings(of: row))
    try keep(measured, as: "\(row.fileName)-seed\(seed)", of: row, input)
    return measured
  }

  /// Forget accuracy after a little relearning. None where the relearning diverges, which says nothing
  /// about the model.
  private func relearned(
    _ row: MethodRow, _ weights: StateDict, _ architecture: Architecture, _ input: UnlearningInput,
    session: TrainingSession
  ) throws -> [MetricValue] {
    let test = RelearningTest(input: input, options: run.recipe.relearning)
    do {
      let results = try test.run(weights, architecture, session: session)
      return results.filter { $0.epochs > 0 }.map {
        MetricValue(Metric.relearnedAccuracy(epochs: $0.epochs), $0.accuracy, count: $0.count)
      }
    } catch let error as UnlearningError {
      guard case .notFinite = error else { throw error }
      console.note(
        "\(row.name), seed \(session.seed): no relearning test: \(error.summary); use a smaller "
          + "relearning.training.learning_rate")
      return []
    }
  }

  /// Adds the share of Retrain's time where there is one.
  private func withTimeShares(_ rows: [ForgettingReport.Row]) -> [ForgettingReport.Row] {
    rows.map { row in
      let reference = rows.first { $0.name == ForgettingReport.reference && $0.seed == row.seed }
      guard let full = reference?.value(Metric.unlearningTime), full > 0,
        let own = row.value(Metric.unlearningTime)
      else { return row }
      var row = row
      row.values.append(MetricValue(Metric.unlearningTimeShare, own / full, count: 1))
      return row
    }
  }

  private func store(_ checkpoint: Checkpoint, of row: MethodRow, at path: String) throws {
    var complete = checkpoint
    // A cached reference serves other recipes too.
    complete.recipe = row.method.startsFromCheckpoint ? run.resolved.text : nil
    complete.codeVersion = ToolVersion.current
    try complete.write(to: path, overwrite: true)
  }

  private func interrupted(_ stop: TrainingInterrupted, path: String) -> EarlyExit {
    EarlyExit(
      status: .interrupted,
      message: "bulwark: interrupted in stage \(stop.stage) after step \(stop.step); "
        + "\(path) holds everything.\n"
        + "Continue with: \(folder.continuation)")
  }
}
