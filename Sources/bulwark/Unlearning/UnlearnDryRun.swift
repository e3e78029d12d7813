import BulwarkTraining
import BulwarkUnlearning

/// Estimates time and memory of an unlearning run: a few steps of every method on a throw-away model.
struct UnlearnDryRun {
  let run: UnlearnRun

  /// What one row of one seed will take.
  private struct Estimate {
    var name: String
    var steps: Int
    var seconds: Double
  }

  /// Times the rows and prints the estimate.
  func report(command: String) throws {
    let input = try run.input(seed: run.recipe.seed)
    var rows = try run.recipe.rows()
    let reference = try MethodRow(parsing: ForgettingReport.reference)
    if run.recipe.reference == .retrain, !rows.contains(reference) {
      rows.insert(reference, at: 0)
    }
    let estimates = try rows.map { try estimate($0, input) }
    let seeds = Double(run.recipe.seeds)
    let total = estimates.reduce(0) { $0 + $1.seconds } * seeds
    let bytes = StopWatch.peakBytes()

    var result = ResultObject(command: command)
    result.recipe = run.resolved.digest
    result.metrics = [
      "estimated_seconds": ResultMetric(total, unit: "seconds"),
      "estimated_peak_memory": ResultMetric(Double(bytes), unit: "bytes"),
    ]
    result.details = [
      "dry_run": true, "forget_samples": .int(input.forgetSet.forget.count),
      "forget_set_digest": .string(input.forgetSet.digest),
    ]
    try run.console.finish(result) {
      var table = Table("method", "steps", "time for a seed")
      table.rows = estimates.map { [$0.name, String($0.steps), spokenDuration($0.seconds)] }
      return [
        "Everything checked; nothing was changed. To forget: \(input.forgetSet.forget.count) of "
          + "\(input.forgetSet.total) samples (\(input.forgetSet.origin))."
      ] + table.lines() + [
        "estimated: \(spokenDuration(total)) for \(run.recipe.seeds) seed(s), without measuring, "
          + "\(spokenBytes(bytes)) of memory"
      ]
    }
  }

  private func estimate(_ row: MethodRow, _ input: UnlearningInput) throws -> Estimate {
    let isRetrain = !row.method.startsFromCheckpoint
    let watch = StopWatch(isRetrain ? SupervisedTrainer.stage : row.method.rawValue)
    let session = try run.session(
      seed: run.recipe.seed, events: watch, stopRequested: { watch.hasSeenEnough })
    let unlearning = try run.run(row, input, session: session)
    do {
      try unlearning.run()
    } catch is TrainingInterrupted {
      // What was asked for.
    }
    return Estimate(
      name: row.name, steps: watch.steps,
      seconds: unlearning.cost.maskSeconds + watch.startSeconds
        + Double(watch.steps) * watch.stepSeconds)
  }
}
