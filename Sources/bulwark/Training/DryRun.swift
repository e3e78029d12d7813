import BulwarkDefense
import BulwarkTensor
import BulwarkTraining
import Foundation

/// Estimates time and memory of a run: a few steps of every stage on a throw-away model.
struct DryRun {
  let run: TrainRun
  /// The stage that DBD starts with, where it starts from another run's checkpoint.
  var origin: DBDTrainer.Stage?

  typealias Stage = WorkEstimate.Stage

  /// What every stage will take.
  func stages() throws -> [Stage] {
    var stages: [Stage] = []
    let image = try inferenceSeconds()
    for method in try run.recipe.resolvedMethods() {
      switch method {
      case .standard:
        let probe = try time(.standard, "supervised", dbd: nil)
        stages.append(
          Stage(
            name: "standard: supervised", steps: probe.steps,
            seconds: probe.seconds(steps: probe.steps) + image * Double(testCount)))
      case .dbd:
        stages += try dbdStages(image)
      }
    }
    return stages
  }

  /// Images of one measurement of accuracy and attack success.
  private var testCount: Int { run.data.evaluator.imageCount }

  private func dbdStages(_ image: Double) throws -> [Stage] {
    let full = run.recipe.dbd
    let order = DBDTrainer.Stage.allCases
    func isLeft(_ stage: DBDTrainer.Stage) -> Bool {
      (order.firstIndex(of: stage) ?? 0) >= (origin.flatMap(order.firstIndex) ?? 0)
    }
    let measuring = image * Double(testCount)
    let ranking = image * Double(run.data.train.count)
    var stages: [Stage] = []
    func add(_ name: String, _ probe: Probe, extra: Double) {
      stages.append(
        Stage(
          name: "dbd: " + name, steps: probe.steps,
          seconds: probe.seconds(steps: probe.steps) + extra))
    }
    if full.selfSupervision.enabled, full.selfSupervision.epochs > 0, isLeft(.selfSupervision) {
      let probe = try time(.dbd, DBDTrainer.Stage.selfSupervision.rawValue, dbd: full)
      add("self-supervision", probe, extra: 0)
    }
    // Empty earlier stages lead straight to the one that is timed.
    var later = full
    if later.selfSupervision.enabled { later.selfSupervision.epochs = 0 }
    if full.head.epochs > 0, isLeft(.head) {
      add(
        "head", try time(.dbd, DBDTrainer.Stage.head.rawValue, dbd: later),
        extra: measuring + ranking)
    }
    // Timed with the head.
    (later.head.epochs, later.head.cliqueShare, later.head.shortcutShare) = (0, 0, 0)
    if full.semiSupervision.method != .none, full.semiSupervision.epochs > 0,
      isLeft(.semiSupervision)
    {
      let probe = try time(.dbd, DBDTrainer.Stage.semiSupervision.rawValue, dbd: later)
      // Every epoch ranks all samples before its first step; some measure.
      let epochs = Double(full.semiSupervision.epochs)
      let every = full.semiSupervision.measureEvery
      let measurements = every > 0 ? ((epochs - 1) / Double(every)).rounded(.down) : 0
      add("semi-supervision", probe, extra: (epochs - 1) * probe.start + measurements * measuring)
    }
    // The evidence of stage 3 and the result, each with a ranking.
    stages.append(
      Stage(
        name: "dbd: final measurements", steps: 0, seconds: 2 * (measuring + ranking)))
    return stages
  }

  /// The timing of a stage's first steps.
  private struct Probe {
    /// Steps of the whole stage.
    var steps: Int
    /// Seconds from the stage's start to the end of its first step, less one step.
    var start: Double
    /// Seconds of one step.
    var step: Double

    func seconds(steps: Int) -> Double { start + step * Double(steps) }
  }

  private func time(_ method: TrainRecipe.Method, _ stage: String, dbd: DBDOptions?) throws
    -> Probe
  {
    let watch = StopWatch(stage)
    let session = try run.session(
      events: watch, stopRequested: { watch.hasSeenEnough }, save: nil)
    do {
      _ = try run.trainer(method, dbd: dbd, session: session).run()
    } catch is TrainingInterrupted {
      // What was asked for.
    }
    return Probe(steps: watch.steps, start: watch.startSeconds, step: watch.stepSeconds)
  }

  /// Seconds in which the model answers for one image.
  private func inferenceSeconds() throws -> Double {
    let session = try run.session(events: StopWatch(""), stopRequested: { false }, save: nil)
    return try run.architecture.build(key: session.key, device: run.device)
      .secondsPerImage(of: run.data.train, run.data.normalization, session: session)
  }
}
