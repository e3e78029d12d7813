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
    var stages: [WorkEstimate.Stage] = []
    if let companion { stages.append(try time(companion, recipe.watermark)) }
    // The host's own steps, after a second network of hardly any training.
    var quick = recipe.watermark
    quick.ingrain.ingrainerSteps = 1
    if quick.ingrain.variant == .c { quick.ingrain.variant = .aPlus }
    quick.tilted.referenceLength = 1e-6
    stages.append(try time(HostTrainer.stage, quick))
    let estimate = WorkEstimate(stages)

    var result = ResultObject(command: job.command)
    result.recipe = job.resolved.digest
    result.metrics = estimate.metrics
    result.details = ["dry_run": true, "scheme": .string(recipe.scheme.rawValue)]
    try console.finish(result) {
      ["Everything checked; nothing was trained."] + Table(stages).lines() + [estimate.line()]
    }
  }

  /// The stage in which a second network is trained before the host.
  private var companion: String? {
    switch recipe.scheme {
    case .ingrain: "ingrainer"
    case .tilted: task.start == nil ? "reference" : nil
    default: nil
    }
  }

  private func time(_ stage: String, _ options: WatermarkOptions) throws -> WorkEstimate.Stage {
    let watch = StopWatch(stage)
    let session = try task.session(
      seed: recipe.seed, events: watch, stopRequested: { watch.hasSeenEnough })
    do {
      _ = try job.trainer(task, key, options: options, session: session).run()
    } catch is TrainingInterrupted {
      // What was asked for.
    }
    return WorkEstimate.Stage(name: stage, watch: watch)
  }
}
