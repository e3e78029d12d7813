import BulwarkTraining
import BulwarkWatermark

/// Estimates time and memory of a stress run: a few steps of every attack.
struct StressDryRun {
  /// Images of each set that the stolen model is asked about; the time for the others is their share of it.
  static let askedSample = 1024

  let run: StressRun
  /// Where surrogates are that need not be made; nil for nowhere.
  let store: StressStore?

  /// Times the attacks and prints the estimate.
  func report(command: String) throws {
    let (suite, session) = try (run.suite(nulls: []), run.session(events: nil))
    var made = 0
    let stages = try run.attacks.map { attack in
      let isMade = try store.map {
        try suite.isMade(attack, on: run.loaded.model, data: run.data, store: $0, session: session)
      }
      guard isMade != true else {
        made += 1
        return WorkEstimate.Stage(name: attack.name, seconds: 0)
      }
      let links = (attack as? RemovalChain)?.links ?? [attack]
      let parts = try links.map(estimate)
      return WorkEstimate.Stage(
        name: attack.name, steps: parts.reduce(0) { $0 + $1.steps },
        seconds: parts.reduce(0) { $0 + $1.seconds })
    }
    let whole = WorkEstimate(stages)
    var result = ResultObject(command: command)
    result.recipe = run.resolved.digest
    result.metrics = whole.metrics
    let missing = try run.missingNullModels().reduce(0) { $0 + $1.count }
    result.details = [
      "dry_run": true, "attacks": .int(run.attacks.count), "missing_null_models": .int(missing),
      "earlier_surrogates": .int(made),
    ]
    result.rows = stages.map {
      .init(
        name: $0.name, metrics: ["estimated_seconds": ResultMetric($0.seconds, unit: "seconds")])
    }
    try run.console.finish(result) {
      ["Everything checked; nothing was written."] + Table(stages, of: "attack").lines() + [
        whole.line(" for \(run.attacks.count) attacks, without measuring")
      ] + (made > 0 ? ["not in it: \(made) surrogates of an earlier run"] : [])
        + (missing > 0 ? ["not in it: \(missing) null models to be trained first"] : [])
    }
  }

  /// The time of one attack: what came before its first step, and all of its steps.
  ///
  /// The stolen model's answers, which attacks share, are counted where they are first needed.
  private func estimate(_ attack: any RemovalAttack) throws -> WorkEstimate.Stage {
    // SalUn's steps are told under the name of the method.
    let watch = StopWatch(attack is ClassUnlearning ? "salun" : attack.name)
    let session = try run.session(events: watch, stopRequested: { watch.hasSeenEnough })
    let begin = ContinuousClock.now
    let earlier = run.answers.omittedSeconds
    do {
      _ = try attack.surrogate(of: run.loaded.model, data: run.data, session: session)
    } catch is TrainingInterrupted {
      // What was asked for.
    }
    let omitted = run.answers.omittedSeconds - earlier
    let spent = (ContinuousClock.now - begin).inSeconds + omitted
    guard let last = watch.ends.last else {
      return WorkEstimate.Stage(name: attack.name, seconds: spent)
    }
    let timed = (last - watch.begin).inSeconds
    return WorkEstimate.Stage(
      name: attack.name, steps: watch.steps, seconds: max(0, spent - timed) + watch.totalSeconds)
  }
}
