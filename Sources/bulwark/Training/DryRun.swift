import BulwarkDefense
import BulwarkTensor
import BulwarkTraining
import Foundation

/// Estimates time and memory of a run: a few steps of every stage on a throw-away model.
struct DryRun {
  let run: TrainRun
  /// The stage that DBD starts with, where it starts from another run's checkpoint.
  var origin: DBDTrainer.Stage?

  /// What a run will take.
  struct Estimate {
    struct Stage {
      var name: String
      var steps: Int
      var seconds: Double
    }

    var stages: [Stage]
    /// Largest resident size of this process so far, in bytes.
    var peakBytes: Int
    var seconds: Double { stages.reduce(0) { $0 + $1.seconds } }
  }

  /// Images whose evaluation is timed at most.
  private static let mostImages = 512

  func estimate() throws -> Estimate {
    var stages: [Estimate.Stage] = []
    let image = try inferenceSeconds()
    for method in try run.recipe.resolvedMethods() {
      switch method {
      case .standard:
        let probe = try time(.standard, "supervised", dbd: nil)
        stages.append(
          Estimate.Stage(
            name: "standard: supervised", steps: probe.steps,
            seconds: probe.seconds(steps: probe.steps) + image * Double(testCount)))
      case .dbd:
        stages += try dbdStages(image)
      }
    }
    return Estimate(stages: stages, peakBytes: StopWatch.peakBytes())
  }

  /// Images of one measurement of accuracy and attack success.
  private var testCount: Int {
    let evaluator = run.data.evaluator
    return (evaluator.test?.count ?? 0) + (evaluator.triggered?.dataset.count ?? 0)
  }

  private func dbdStages(_ image: Double) throws -> [Estimate.Stage] {
    let full = run.recipe.dbd
    let order = DBDTrainer.Stage.allCases
    func isLeft(_ stage: DBDTrainer.Stage) -> Bool {
      (order.firstIndex(of: stage) ?? 0) >= (origin.flatMap(order.firstIndex) ?? 0)
    }
    let measuring = image * Double(testCount)
    let ranking = image * Double(run.data.train.count)
    var stages: [Estimate.Stage] = []
    func add(_ name: String, _ probe: Probe, extra: Double) {
      stages.append(
        Estimate.Stage(
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
      Estimate.Stage(
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
    let watch = StopWatch("")
    let session = try run.session(events: watch, stopRequested: { false }, save: nil)
    let model = try run.architecture.build(key: session.key, device: run.device)
    let count = min(DryRun.mostImages, run.data.train.count)
    let sample = try run.data.train.subset(Array(0..<count))
    func pass() throws {
      _ = try model.logits(of: sample, run.data.normalization, session: session)
    }
    // The first pass chooses kernels.
    try pass()
    let begin = ContinuousClock.now
    try pass()
    return (ContinuousClock.now - begin).inSeconds / Double(count)
  }
}
