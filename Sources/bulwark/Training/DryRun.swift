import BulwarkDefense
import BulwarkTensor
import BulwarkTraining
import Foundation

/// Estimates time and memory of a run: a few steps of every stage on a throw-away model.
struct DryRun {
  let run: TrainRun

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

  func estimate() throws -> Estimate {
    var stages: [Estimate.Stage] = []
    for method in try run.recipe.resolvedMethods() {
      switch method {
      case .standard:
        let probe = try time(.standard, "supervised", dbd: nil)
        let measuring = try evaluationSeconds()
        stages.append(
          Estimate.Stage(
            name: "standard: supervised", steps: probe.steps,
            seconds: probe.seconds(steps: probe.steps) + measuring))
      case .dbd:
        stages += try dbdStages()
      }
    }
    return Estimate(stages: stages, peakBytes: StopWatch.peakBytes())
  }

  private func dbdStages() throws -> [Estimate.Stage] {
    let full = run.recipe.dbd
    var stages: [Estimate.Stage] = []
    func add(_ name: String, _ probe: Probe, extra: Double) {
      stages.append(
        Estimate.Stage(
          name: "dbd: " + name, steps: probe.steps,
          seconds: probe.seconds(steps: probe.steps) + extra))
    }
    if full.selfSupervision.enabled, full.selfSupervision.epochs > 0 {
      let probe = try time(.dbd, DBDTrainer.Stage.selfSupervision.rawValue, dbd: full)
      add("self-supervision", probe, extra: 0)
    }
    // Empty earlier stages lead straight to the one that is timed.
    var later = full
    if later.selfSupervision.enabled { later.selfSupervision.epochs = 0 }
    let measuring = try evaluationSeconds()
    if full.head.epochs > 0 {
      add("head", try time(.dbd, DBDTrainer.Stage.head.rawValue, dbd: later), extra: measuring)
    }
    later.head.epochs = 0
    if full.semiSupervision.method != .none, full.semiSupervision.epochs > 0 {
      let probe = try time(.dbd, DBDTrainer.Stage.semiSupervision.rawValue, dbd: later)
      // Every epoch ranks all samples before its first step; some measure.
      let epochs = Double(full.semiSupervision.epochs)
      let every = full.semiSupervision.measureEvery
      let measurements = every > 0 ? max(1, (epochs / Double(every)).rounded(.down)) : 1
      add("semi-supervision", probe, extra: (epochs - 1) * probe.start + measurements * measuring)
    }
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

  private func evaluationSeconds() throws -> Double {
    let watch = StopWatch("")
    let session = try run.session(events: watch, stopRequested: { false }, save: nil)
    let model = try run.architecture.build(key: session.key, device: run.device)
    let begin = ContinuousClock.now
    _ = try run.data.evaluator.measure(model, session: session)
    return (ContinuousClock.now - begin).inSeconds
  }
}
