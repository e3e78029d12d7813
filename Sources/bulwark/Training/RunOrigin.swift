import BulwarkDefense
import BulwarkStore
import BulwarkTraining

/// The checkpoint of another DBD run that a run starts from (`--from`).
struct RunOrigin {
  /// Key of a checkpoint's notes under which a run remembers where it started.
  static let note = "from"

  /// The run as it is at that point.
  let snapshot: Checkpoint
  /// The stage that runs next.
  let stage: DBDTrainer.Stage
  /// Path and digest, as results and notes hold them.
  let record: JSONValue

  /// Reads the checkpoint and makes sure that the run can start there; writes nothing.
  ///
  /// - Throws: `StoreError`; `CheckpointUseError.otherRun` when seed, data, augmentation or the settings of
  ///   an earlier stage differ.
  init(_ path: String, of run: TrainRun) throws {
    let checkpoint = try Checkpoint(reading: path)
    record = [
      "path": .string(path), "digest": .string(try Checkpoint.inspectSummary(path).digest),
    ]
    let session = try TrainingSession(
      seed: run.recipe.seed, device: run.device, precision: run.recipe.precision)
    let trainer = try run.dbdTrainer(session: session)
    try trainer.restore(checkpoint)
    var tree = try RecipeTree(defaults: TrainRecipe.defaults)
    if let recipe = checkpoint.recipe { try tree.overlay(yaml: recipe, file: path) }
    guard try tree.settings(as: TrainRecipe.self).augmentation == run.recipe.augmentation else {
      throw CheckpointUseError.otherRun("its augmentation differs")
    }
    snapshot = try trainer.snapshot()
    stage = trainer.stage
  }
}
