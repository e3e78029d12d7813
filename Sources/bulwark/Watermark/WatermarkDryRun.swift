import BulwarkTraining
import BulwarkWatermark

/// Estimates time and memory of an embedding: a few steps of every stage on a throw-away model.
struct WatermarkDryRun {
  let job: WatermarkEmbedJob
  let task: WatermarkTask
  let key: WatermarkKey
  let console: Console

  private var recipe: WatermarkEmbedRecipe { job.resolved.recipe }

  /// Times the stages and prints the estimate.
  func report() throws {
    var stages: [(name: String, steps: Int, seconds: Double)] = []
    if let companion { stages.append(try time(companion, recipe.watermark)) }
    // The host's own steps, after a second network of hardly any training.
    var quick = recipe.watermark
    quick.ingrain.ingrainerSteps = 1
    if quick.ingrain.variant == .c { quick.ingrain.variant = .aPlus }
    quick.tilted.referenceLength = 1e-6
    stages.append(try time(HostTrainer.stage, quick))
    let total = stages.reduce(0) { $0 + $1.seconds }
    let bytes = StopWatch.peakBytes()

    var result = ResultObject(command: job.command)
    result.recipe = job.resolved.digest
    result.metrics = [
      "estimated_seconds": ResultMetric(total, unit: "seconds"),
      "estimated_peak_memory": ResultMetric(Double(bytes), unit: "bytes"),
    ]
    result.details = ["dry_run": true, "scheme": .string(recipe.scheme.rawValue)]
    try console.finish(result) {
      var table = Table("stage", "steps", "time")
      table.rows = stages.map { [$0.name, String($0.steps), spokenDuration($0.seconds)] }
      return ["Everything checked; nothing was trained."] + table.lines() + [
        "estimated: \(spokenDuration(total)), \(spokenBytes(bytes)) of memory"
      ]
    }
  }

  /// The stage in which a second network is trained before the host.
  private var companion: String? {
    switch recipe.scheme {
    case .ingrain: "ingrainer"
    case .tilted: "reference"
    default: nil
    }
  }

  private func time(_ stage: String, _ options: WatermarkOptions) throws -> (
    name: String, steps: Int, seconds: Double
  ) {
    let watch = StopWatch(stage)
    let session = try task.session(
      seed: recipe.seed, events: watch, stopRequested: { watch.hasSeenEnough })
    do {
      _ = try job.trainer(task, key, options: options, session: session).run()
    } catch is TrainingInterrupted {
      // What was asked for.
    }
    return (stage, watch.steps, watch.startSeconds + watch.stepSeconds * Double(watch.steps))
  }
}
