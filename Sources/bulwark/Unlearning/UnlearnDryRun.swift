import BulwarkStore
import BulwarkTraining
import BulwarkUnlearning

/// Estimates time and memory of an unlearning run: a few steps of every method on a throw-away model,
/// and the same on a shadow where an audit is asked for. What a cache already holds is not left out.
struct UnlearnDryRun {
  let run: UnlearnRun

  /// What one kind of work will take.
  private struct Estimate {
    var name: String
    /// Steps of one run of it.
    var steps: Int
    /// Seconds of one run of it.
    var seconds: Double
    /// How often it is run.
    var runs: Int
    /// What went wrong in its first steps; nil where nothing did.
    var remark: String?

    var total: Double { seconds * Double(runs) }

    var json: JSONValue {
      var members: [String: JSONValue] = [
        "name": .string(name), "steps": .int(steps), "seconds": .double(seconds),
        "runs": .int(runs),
      ]
      if let remark { members["remark"] = .string(remark) }
      return .object(members)
    }
  }

  /// Times the rows and prints the estimate.
  func report(command: String) throws {
    let input = try run.input(seed: run.recipe.seed)
    var rows = try run.recipe.rows()
    let reference = try MethodRow(parsing: ForgettingReport.reference)
    if run.recipe.reference == .retrain, !rows.contains(reference) {
      rows.insert(reference, at: 0)
    }
    var estimates = try rows.map {
      try estimate($0, $0.name, input, seed: run.recipe.seed, runs: run.recipe.seeds)
    }
    if run.recipe.audit.shadows > 0 { estimates += try auditEstimates() }
    let all = WorkEstimate(seconds: estimates.reduce(0) { $0 + $1.total })

    var result = ResultObject(command: command)
    result.recipe = run.resolved.digest
    result.metrics = all.metrics
    result.details = [
      "dry_run": true, "forget_samples": .int(input.forgetSet.forget.count),
      "forget_set_digest": .string(input.forgetSet.digest),
      "estimates": .array(estimates.map(\.json)),
    ]
    try run.console.finish(result) {
      var table = Table("method", "steps", "time of one", "runs", "time of all")
      table.rows = estimates.map {
        [
          $0.name, String($0.steps), spokenDuration($0.seconds), String($0.runs),
          spokenDuration($0.total),
        ]
      }
      let remarks = estimates.compactMap { estimate in
        estimate.remark.map { "\(estimate.name) diverges: \($0)" }
      }
      return [
        "Everything checked; nothing was changed. To forget: \(input.forgetSet.forget.count) of "
          + "\(input.forgetSet.total) samples (\(input.forgetSet.origin))."
      ] + table.lines() + remarks + [all.line(", without measuring")]
    }
  }

  /// What the audit does with each shadow: train it, unlearn or retrain with every row, attack. Retrain
  /// may be left out on the last ones.
  private func auditEstimates() throws -> [Estimate] {
    let audit = ShadowAudit(run: run)
    let design = try audit.design()
    let work = try audit.work(0, design)
    let shadows = design.isMember.count
    let watch = StopWatch(SupervisedTrainer.stage)
    try time(watch, seed: work.seed) { session in _ = try work.trainer(session).run() }
    let training = Estimate(
      name: "shadow: training", steps: watch.steps, seconds: watch.totalSeconds, runs: shadows)
    let methods = try audit.rows().map {
      try estimate(
        $0, "shadow: \($0.name)", work.input, seed: work.seed,
        runs: audit.shadowCount(of: .row($0)))
    }
    // Every model that is attacked answers for all audited samples.
    let models = try audit.subjects().reduce(0) { $0 + audit.shadowCount(of: $1) }
    let answers = Double(design.audited.count * models) / Double(shadows)
    let attack = Estimate(
      name: "shadow: attack", steps: 0, seconds: try answers * secondsPerImage(), runs: shadows)
    return [training] + methods + [attack]
  }

  /// Times a row; one that diverges in its first steps gets a remark, since a run goes on with the others, too.
  private func estimate(
    _ row: MethodRow, _ name: String, _ input: UnlearningInput, seed: UInt64, runs: Int
  ) throws -> Estimate {
    var unlearning: (any UnlearningRun)?
    var remark: String?
    let watch = StopWatch(
      row.method.startsFromCheckpoint ? row.method.rawValue : SupervisedTrainer.stage)
    do {
      try time(watch, seed: seed) { session in
        let started = try run.run(row, input, session: session)
        unlearning = started
        try started.run()
      }
    } catch let error as UnlearningError {
      guard case .notFinite = error else { throw error }
      remark = "\(error.summary); \(error.remedy)"
    }
    return Estimate(
      name: name, steps: watch.steps,
      seconds: (unlearning?.cost.maskSeconds ?? 0) + watch.totalSeconds, runs: runs,
      remark: remark)
  }

  /// Watches the first steps of the stage that a watch is for.
  private func time(
    _ watch: StopWatch, seed: UInt64, _ work: (TrainingSession) throws -> Void
  ) throws {
    let session = try run.session(
      seed: seed, events: watch, stopRequested: { watch.hasSeenEnough })
    do {
      try work(session)
    } catch is TrainingInterrupted {
      // What was asked for.
    }
  }

  private func secondsPerImage() throws -> Double {
    try run.loaded.model.secondsPerImage(
      of: run.bundle.train, run.loaded.normalization,
      session: run.session(seed: run.recipe.seed, events: nil))
  }
}
