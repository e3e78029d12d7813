import BulwarkData
import BulwarkNN
import BulwarkPoisoning
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import BulwarkUnlearning

/// A recipe with its checkpoint and its images, ready to unlearn.
struct UnlearnRun {
  let resolved: ResolvedRecipe<UnlearnRecipe>
  let console: Console
  let device: Device
  let loaded: LoadedModel
  /// Digest of the checkpoint's file.
  let originalDigest: String
  let bundle: DataBundle
  /// Ascending positions of training samples that the checkpoint does not know: left out of its training, or
  /// unlearned before.
  let gone: [Int]
  let test: ImageDataset?
  let triggered: TriggeredTest?
  /// How the original was trained.
  let retrain: SupervisedOptions
  /// Random views of training images.
  let views: [AugmentationStep]

  var recipe: UnlearnRecipe { resolved.recipe }

  /// Reads checkpoint and images and makes sure that they belong together.
  init(_ resolved: ResolvedRecipe<UnlearnRecipe>, skipBad: Bool, console: Console) throws {
    let recipe = resolved.recipe
    self.resolved = resolved
    self.console = console
    let runtime = try Runtime.shared()
    if recipe.threads > 0 { try runtime.setThreadCount(recipe.threads) }
    device = try Device(parsing: recipe.device)
    loaded = try LoadedModel(recipe.checkpoint, device: device, console: console)
    originalDigest = try Checkpoint.inspectSummary(recipe.checkpoint, policy: .required).digest
    bundle = try console.load(
      recipe.data.path, options: recipe.data.loadOptions(skipBad: skipBad))
    try loaded.check(bundle.train, path: recipe.data.path)
    gone = try UnlearnRun.gone(from: loaded.checkpoint, bundle.train, recipe, console: console)
    if loaded.checkpoint.fingerprints["train"] == nil {
      console.note("note: \(recipe.checkpoint) does not say which data it was trained on")
    }
    test = try recipe.part(of: bundle.test)
    let manifest =
      try recipe.trigger.isEmpty
      ? PoisonManifest.stored(in: bundle) : PoisonManifest.given(recipe.trigger)
    triggered = try test.flatMap { test in
      try manifest.map { try $0.poisoner().triggeredTest(test) }
    }
    let source = UnlearnRun.trainRecipe(of: loaded.checkpoint, recipe, console: console)
    try UnlearnRun.refuseStandIn(for: loaded.checkpoint, recipe, source: source)
    if source != nil { try UnlearnRun.refuseIdleSettings(recipe) }
    retrain = source?.standard ?? recipe.retrain
    views = retrain.augment ? (source?.augmentation ?? recipe.augmentation).weakSteps : []
    _ = try recipe.mask.cut(in: loaded.model)
  }

  /// The samples that the checkpoint does not know. Makes sure that the others are those it was trained on.
  private static func gone(
    from checkpoint: Checkpoint, _ train: ImageDataset, _ recipe: UnlearnRecipe, console: Console
  ) throws -> [Int] {
    let leftOut = try ForgetListFile.samplesToLeaveOut(recipe.leaveOut, of: train.count)
    if !recipe.acceptDifferentData {
      let known = try leftOut.map { try train.subset($0.retain) } ?? train
      do {
        try Unlearner.check(checkpoint, trainedOn: known)
      } catch let error as UnlearningError {
        guard leftOut == nil, let list = leftOutList(of: checkpoint) else { throw error }
        throw ToolError(
          summary:
            "\(recipe.checkpoint) was trained without the samples of \(list), so these data are not all "
            + "its own.",
          remedy: "Add --leave-out with that list (with a recipe or --set: leave_out).",
          category: .badData, causes: [error.summary])
      }
    }
    let forgotten = try Unlearner.forgotten(by: checkpoint, of: train)
    if forgotten == nil {
      console.note(
        "note: \(recipe.checkpoint) forgot samples of other data than these before; which of these they are is "
          + "not known, so none is kept out of the retain set")
    }
    let gone = Set((leftOut?.forget ?? []) + (forgotten ?? [])).sorted()
    if !gone.isEmpty {
      console.note(
        "\(gone.count) samples are gone from \(recipe.checkpoint) already; they are not retained either"
      )
    }
    return gone
  }

  /// The list that a checkpoint's own training left out, as its recipe names it.
  private static func leftOutList(of checkpoint: Checkpoint) -> String? {
    let texts = recipes(in: checkpoint)
    let lists = texts.compactMap { RecipeTree.text(of: "leave_out", in: $0) }
    return lists.first { !$0.isEmpty }
  }

  /// The recipes that made a checkpoint, the last one first: one that was unlearned from names what it came from
  /// in its notes.
  private static func recipes(in checkpoint: Checkpoint) -> [String] {
    var texts = [checkpoint.recipe]
    var entry = checkpoint.notes["unlearning"]
    while let current = entry {
      texts.append(current["original_recipe"]?.stringValue)
      entry = current["original_notes"]?["unlearning"]
    }
    return texts.compactMap { $0 }
  }

  /// What is set for Retrain must count.
  private static func refuseIdleSettings(_ recipe: UnlearnRecipe) throws {
    let plain = UnlearnRecipe()
    let idle = [
      ("retrain", recipe.retrain != plain.retrain),
      ("augmentation", recipe.augmentation != plain.augmentation),
    ].filter(\.1).map(\.0)
    guard !idle.isEmpty else { return }
    throw ToolError.usage(
      "Settings under \(idle.joined(separator: " and ")) have no effect: Retrain and the random views follow the "
        + "recipe inside \(recipe.checkpoint).",
      remedy: "Leave them out, or add --set training=recipe to follow this recipe instead.")
  }

  /// The recipe that the checkpoint was trained with, where it holds one and is to be followed.
  private static func trainRecipe(
    of checkpoint: Checkpoint, _ recipe: UnlearnRecipe, console: Console
  ) -> TrainRecipe? {
    guard recipe.training == .checkpoint else { return nil }
    for text in recipes(in: checkpoint) {
      if let found = TrainRecipe(text: text, file: recipe.checkpoint) { return found }
    }
    console.note(
      "note: the checkpoint holds no training recipe; random views and Retrain follow this recipe")
    return nil
  }

  /// Retrain must be what the checkpoint was: no undefended model stands in for one that DBD trained.
  private static func refuseStandIn(
    for checkpoint: Checkpoint, _ recipe: UnlearnRecipe, source: TrainRecipe?
  ) throws {
    let needsRetrain =
      try recipe.reference == .retrain || recipe.audit.shadows > 0
      || recipe.rows().contains { !$0.method.startsFromCheckpoint }
    guard needsRetrain, source != nil, checkpoint.indexSets["labeled_pool"] != nil else { return }
    throw ToolError.usage(
      "\(recipe.checkpoint) was trained with DBD, but Retrain trains an undefended model, which is "
        + "no reference for it.",
      remedy:
        "Unlearn from an undefended checkpoint, leave the reference out, or say how Retrain is "
        + "to be trained with --set training=recipe and the settings under retrain.")
  }

  /// The data and the forget set of one seed.
  func input(seed: UInt64) throws -> UnlearningInput {
    let target = try ForgetTarget(parsing: recipe.forget, seed: seed)
    return UnlearningInput(
      train: bundle.train, forgetSet: try target.resolved(in: bundle.train, gone: gone),
      normalization: loaded.normalization, views: views)
  }

  /// The seeds in order.
  var seeds: [UInt64] { (0..<recipe.seeds).map { recipe.seed &+ UInt64($0) } }

  /// A session that tells `events` and writes checkpoints with `save`.
  func session(
    seed: UInt64, events: (any EventSink)?, stopRequested: @escaping () -> Bool = { false },
    save: ((Checkpoint) throws -> Void)? = nil
  ) throws -> TrainingSession {
    try TrainingSession(
      seed: seed, device: device, precision: recipe.precision, events: events,
      checkpointInterval: recipe.checkpointInterval, stopRequested: stopRequested, save: save)
  }

  /// The settings of a row for the record, and under `mask` those of its mask; null for retraining.
  func settings(of row: MethodRow) throws -> JSONValue {
    guard case .object(var members) = try recipe.settings.settings(of: row.method) else {
      return .null
    }
    var mask = recipe.mask(of: row)
    mask.kind = mask.kind(for: row.method)
    members["mask"] = try JSONValue(encoding: mask)
    return .object(members)
  }

  /// The run of a row; nothing is computed yet.
  func run(_ row: MethodRow, _ input: UnlearningInput, session: TrainingSession) throws
    -> any UnlearningRun
  {
    guard row.method.startsFromCheckpoint else {
      return try Retraining(
        loaded.model.architecture, options: retrain, input: input, session: session)
    }
    return try Unlearner(
      row.method, options: recipe.settings, mask: recipe.mask(of: row), original: loaded.checkpoint,
      originalDigest: originalDigest, input: input, session: session)
  }
}
