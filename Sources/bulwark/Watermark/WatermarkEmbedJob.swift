import BulwarkNN
import BulwarkStore
import BulwarkTraining
import BulwarkUnlearning
import BulwarkWatermark
import Foundation

/// What `watermark embed` and `run` share: check, estimate or train, report.
///
/// The run folder holds `model.h5`, which may be released; `key.json`, `training.h5` and `result.json`, which
/// may not, and the recipe without its secret: all four of mode 0600.
struct WatermarkEmbedJob: RecipeJob {
  let command: String
  let resolved: ResolvedRecipe<WatermarkEmbedRecipe>
  let options: RunOptions
  let console: Console

  var recipe: WatermarkEmbedRecipe { resolved.recipe }

  func perform() throws {
    try options.refuseOrigin(remedy: "Leave it out.")
    let folder = RunFolder(
      path: options.out ?? "runs/watermark-\(recipe.scheme.rawValue)-seed\(recipe.seed)",
      skipBad: options.skipBad)
    try folder.check(resolved.text, force: options.force, resume: options.resume)
    let stale = ["training.h5", "model.h5", "result.json"].map(folder.file)
    if !options.resume { try folder.refuseRemoved([recipe.checkpoint], among: stale) }
    let task = try WatermarkTask(
      data: recipe.data, augmentation: recipe.augmentation, device: recipe.device,
      threads: recipe.threads, precision: recipe.precision, interval: recipe.checkpointInterval,
      checkpoint: recipe.checkpoint, skipBad: options.skipBad, console: console)
    try check(task)
    // Read now: the file may be gone when training ends.
    let origin = try task.start?.inputs() ?? [:]
    let key = try key(task, folder)
    if let name = recipe.publishedSecret {
      console.note("warning: " + WatermarkEmbedRecipe.warning(published: name))
    }
    if key.mark.signal?.served != nil {
      console.note(
        "note: the network carries no mark: a server has to change its answers (CosineChange in the library), or "
          + "set watermark.coswm.served=false")
    }
    let tilted = recipe.watermark.tilted
    if recipe.scheme == .tilted, tilted.candidates > 0, tilted.rule != DirectionRule() {
      console.note(
        "warning: a key whose directions are not chosen by the usual rule (watermark.tilted.candidates "
          + "\(CarrierPlan.usualCandidates), reach \(DirectionRule().reach)) counts as chosen: only null "
          + "models will be evidence for it")
    }
    if options.dryRun {
      try WatermarkDryRun(job: self, task: task, key: key, console: console).report()
      return
    }
    if !options.resume { try setAside(folder) }
    try folder.open(
      resolved.text, resume: options.resume, stale: stale, isPrivate: true)
    // Before the first step: a stopped run must go on with the same secret.
    try key.write(to: folder.file("key.json"), overwrite: true)
    let trainer = try train(task, key, folder)
    try finish(task, trainer, folder, origin)
  }

  func architecture(_ task: WatermarkTask) -> Architecture {
    task.start?.model.architecture ?? stated(task)
  }

  /// The network of the recipe's settings.
  private func stated(_ task: WatermarkTask) -> Architecture {
    Architecture(
      recipe.model.family, stem: recipe.model.stem, width: recipe.model.width,
      classes: task.data.train.classCount, channels: task.data.train.channels)
  }

  /// Settings of a network must be those of the model that is given, and embedding must not undo what was done to it.
  private func check(_ task: WatermarkTask) throws {
    guard let start = task.start else { return }
    let found = start.model.architecture
    guard recipe.model == TrainRecipe.ModelSettings() || stated(task) == found else {
      throw ToolError.usage(
        "Settings under model have no effect: \(recipe.checkpoint) is a \(found.spoken).",
        remedy: "Leave them out, or train from fresh weights without a checkpoint.")
    }
    if let known = start.checkpoint.fingerprints["train"],
      try known != task.data.train.fingerprint
    {
      console.note("note: \(recipe.checkpoint) was trained on other images than these")
    } else if try Unlearner.forgotten(by: start.checkpoint, of: task.data.train) != []
      || start.checkpoint.indexSets["labeled_pool"] != nil
    {
      throw ToolError(
        summary: "\(recipe.checkpoint) was unlearned or defended on these images, and embedding "
          + "teaches all of their labels again.",
        remedy: "Give --data without the images that were taken out.", category: .badData)
    }
    if start.checkpoint.watermarkCommitment != nil {
      console.note(
        "note: \(recipe.checkpoint) is marked already; the new mark comes beside the old one")
    }
  }

  func trainer(
    _ task: WatermarkTask, _ key: WatermarkKey, options: WatermarkOptions? = nil,
    session: TrainingSession
  ) throws -> HostTrainer {
    try HostTrainer(
      architecture(task), key: key, data: task.data, options: options ?? recipe.watermark,
      training: recipe.training, augmentation: task.augmentation, session: session,
      start: task.start?.model)
  }

  private func train(_ task: WatermarkTask, _ key: WatermarkKey, _ folder: RunFolder) throws
    -> HostTrainer
  {
    Interruption.install(.finishStep)
    let path = folder.file("training.h5")
    let sink = ProgressSink(console, run: recipe.scheme.rawValue)
    let session = try task.session(
      seed: recipe.seed, events: sink, stopRequested: { Interruption.isRequested },
      save: { checkpoint in
        var complete = checkpoint
        complete.recipe = resolved.text
        complete.codeVersion = ToolVersion.current
        try complete.write(to: path, overwrite: true, isPrivate: true)
      })
    let trainer = try trainer(task, key, session: session)
    if FileManager.default.fileExists(atPath: path) {
      let checkpoint = try Checkpoint(reading: path)
      try trainer.restore(checkpoint)
      console.note(
        "going on from \(path), stage \(checkpoint.progress.stage), "
          + "step \(checkpoint.progress.step)")
    }
    do {
      _ = try trainer.run()
    } catch let stop as TrainingInterrupted {
      console.clearProgress()
      throw EarlyExit(
        status: .interrupted,
        message: "bulwark: interrupted in stage \(stop.stage) after step \(stop.step); "
          + "\(folder.path) holds everything.\n"
          + "Continue with: \(folder.continuation)")
    }
    sink.finishStage()
    return trainer
  }

  private func finish(
    _ task: WatermarkTask, _ trainer: HostTrainer, _ folder: RunFolder,
    _ origin: [String: JSONValue]
  ) throws {
    let key = try trainer.sealedKey()
    guard let commitment = try key.commitment() else { preconditionFailure("the key is sealed") }
    try setAside(folder, unless: commitment)
    try key.write(to: folder.file("key.json"), overwrite: true)
    var released = try trainer.released(commitment)
    released.codeVersion = ToolVersion.current
    try released.write(to: folder.file("model.h5"), overwrite: true)

    let values = try Metric.all.compactMap { definition in
      try trainer.history.last(definition, stage: HostTrainer.stage).map { value in
        MetricValue(definition, value, count: try count(definition, task, key))
      }
    }
    var result = ResultObject(command: command)
    result.recipe = resolved.digest
    result.inputs = try task.bundle.inputs
    result.inputs.merge(origin) { $1 }
    result.outputs = [
      "model": .string(folder.file("model.h5")), "key": .string(folder.file("key.json")),
      "training": .string(folder.file("training.h5")), "recipe": .string(folder.recipe),
      "result": .string(folder.result),
    ]
    result.metrics = values.byName
    result.details = [
      "scheme": .string(recipe.scheme.rawValue), "owner": .string(recipe.owner),
      "commitment": .string(commitment.description), "findings": .object(trainer.findings),
    ]
    result.seconds = console.seconds
    // What a scheme found out tells of its key: an ingrainer answers the secret label.
    try AtomicFile.write(
      Data((try result.line() + "\n").utf8), to: folder.result, overwrite: true, isPrivate: true)
    try console.finish(result) {
      var table = Table("metric", "marked model")
      table.rows = values.map { [$0.definition.name, spokenMetric($0)] }
      return table.lines() + [
        "", "commitment: \(commitment)",
        "Publish it with a trusted time stamp before the model is released.",
        "release: \(folder.file("model.h5")); keep secret: \(folder.file("key.json")), "
          + "\(folder.file("training.h5")), \(folder.result)",
      ]
    }
  }

  private func count(
    _ definition: MetricDefinition, _ task: WatermarkTask, _ key: WatermarkKey
  ) throws -> Int {
    switch definition {
    case Metric.cleanAccuracy: task.data.evaluator.test?.count ?? 0
    case Metric.carrierAccuracy, Metric.bitAccuracy, Metric.signalPowerRatio:
      try key.hits(task.data.normalization)?.count ?? key.sample(of: task.data.train).images.count
    default: task.data.train.count
    }
  }
}
