import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import BulwarkWatermark
import Foundation

/// A stress recipe with its model, images and keys, ready to attack.
struct StressRun {
  let resolved: ResolvedRecipe<StressRecipe>
  let console: Console
  let device: Device
  let loaded: LoadedModel
  let bundle: DataBundle
  /// The attacker's images, without carriers.
  let data: TrainingData
  let attacks: [any RemovalAttack]
  let marks: [StressMark]
  let nulls: [Double]

  var recipe: StressRecipe { resolved.recipe }

  /// Reads everything and makes sure that it belongs together.
  init(_ resolved: ResolvedRecipe<StressRecipe>, skipBad: Bool, console: Console) throws {
    let recipe = resolved.recipe
    self.resolved = resolved
    self.console = console
    let runtime = try Runtime.shared()
    if recipe.threads > 0 { try runtime.setThreadCount(recipe.threads) }
    device = try Device(parsing: recipe.device)
    let loaded = try LoadedModel(recipe.checkpoint, device: device)
    self.loaded = loaded
    bundle = try console.load(recipe.data.path, options: recipe.data.loadOptions(skipBad: skipBad))
    try loaded.check(bundle.train, path: recipe.data.path)
    guard bundle.test != nil else {
      throw ToolError(
        summary: "\(recipe.data.path) has no test images, so no accuracy can be measured.",
        remedy: "Give a data set with a test set.", category: .badData)
    }
    let owner = bundle.train
    func triggerSet(_ path: String) throws -> ImageDataset {
      let set = try console.load(path, options: DataOptions()).train
      try StressRun.check(set, path: path, against: owner)
      return set
    }
    let carriers = try triggerSet(recipe.carriers)
    let foreign = try recipe.foreign.map { ($0, try triggerSet($0)) }
    // An attacker who had the carriers would be no thief but the owner.
    let (train, removed) = try owner.without([carriers])
    if removed > 0 {
      console.note("note: \(removed) carriers were among the training images; left out")
    }
    data = TrainingData(
      train: train,
      evaluator: Evaluator(
        test: bundle.test, triggered: nil, normalization: loaded.normalization))
    let others = try StressRun.otherImages(recipe, without: [owner, carriers], skipBad, console)
    let environment = RemovalEnvironment(
      views: try StressRun.views(recipe, loaded.checkpoint, console), otherImages: others,
      seed: recipe.seed)
    let counts = carriers.countsPerClass
    let registry = StressAttacks.registry(
      carrierClass: counts.indices.max { counts[$0] < counts[$1] } ?? 0)
    attacks = try recipe.names.map { try registry.attack($0, environment: environment) }

    let normalization = loaded.normalization
    let scores = ([("own", carriers)] + foreign).map { name, set in
      (name, TriggerSetAccuracy(carriers: set, normalization: normalization))
    }
    nulls = try StressRun.nullScores(
      recipe, scores.map(\.1), like: loaded, device: device, console)
    let rank = nulls.isEmpty ? nil : NullRank(nulls: nulls)
    marks = scores.enumerated().map { place, entry in
      StressMark(
        entry.0, role: place == 0 ? .own : .foreign, score: entry.1,
        pValue: rank.map { rank in { rank.pValue(of: $0) } })
    }
  }

  /// A session that tells `events`.
  func session(events: (any EventSink)?, stopRequested: @escaping () -> Bool = { false }) throws
    -> TrainingSession
  {
    try TrainingSession(
      seed: recipe.seed, device: device, precision: recipe.precision, events: events,
      checkpointInterval: recipe.checkpointInterval, stopRequested: stopRequested)
  }

  /// A trigger set has the images' form, and labels that the model knows.
  private static func check(_ set: ImageDataset, path: String, against train: ImageDataset) throws {
    guard set.images.shape.dropFirst() == train.images.shape.dropFirst() else {
      throw ToolError(
        summary: "The carriers in \(path) are \(set.channels)x\(set.height)x\(set.width), the "
          + "training images \(train.channels)x\(train.height)x\(train.width).",
        remedy: "Give the carriers as the model was shown them.", category: .badData)
    }
    if let label = set.labels.max(), label >= train.classCount {
      throw ToolError(
        summary: "\(path) has the label \(label), the model has \(train.classCount) classes.",
        remedy: "Give the labels in the order of the model's classes.", category: .badData)
    }
  }

  /// Images that the owner did not train on, checked to be others; nil where none are asked for.
  private static func otherImages(
    _ recipe: StressRecipe, without known: [ImageDataset], _ skipBad: Bool, _ console: Console
  ) throws -> ImageDataset? {
    let settings = recipe.otherData
    guard !settings.path.isEmpty else { return nil }
    var unlimited = settings
    unlimited.limit = 0
    let set = try console.load(
      settings.path, options: unlimited.loadOptions(skipBad: skipBad)
    ).train
    guard set.images.shape.dropFirst() == known[0].images.shape.dropFirst(),
      set.classCount == known[0].classCount
    else {
      throw ToolError(
        summary: "\(settings.path) has images or classes of another form than \(recipe.data.path).",
        remedy: "Give images of the same size, channels and classes.", category: .badData)
    }
    let (others, removed) = try set.without(known)
    if removed > 0 {
      console.note(
        "note: \(removed) images of \(settings.path) are the owner's or carriers; left out")
    }
    guard settings.limit > 0 else { return others }
    return try others.subset(
      SampleSelection.balanced(
        labels: others.labels, classCount: others.classCount, limit: settings.limit))
  }

  /// The random views that the owner trained with, as far as they are known.
  private static func views(
    _ recipe: StressRecipe, _ checkpoint: Checkpoint, _ console: Console
  ) throws -> [AugmentationStep] {
    guard recipe.views == .checkpoint else { return recipe.augmentation.weakSteps }
    if let text = checkpoint.recipe {
      var tree = try RecipeTree(defaults: TrainRecipe())
      if (try? tree.overlay(yaml: text, file: recipe.checkpoint)) != nil,
        let found = try? tree.settings(as: TrainRecipe.self)
      {
        return found.augmentation.weakSteps
      }
    }
    console.note("note: the checkpoint holds no training recipe; random views follow this recipe")
    return recipe.augmentation.weakSteps
  }

  /// What every key scores on every null model.
  private static func nullScores(
    _ recipe: StressRecipe, _ scores: [TriggerSetAccuracy], like loaded: LoadedModel,
    device: Device, _ console: Console
  ) throws -> [Double] {
    let session = try TrainingSession(
      seed: recipe.seed, device: device, precision: recipe.precision)
    return try recipe.nulls.flatMap { path in
      console.detail("reading the null model \(path)")
      let null = try LoadedModel(path, device: device)
      guard null.model.architecture.classes == loaded.model.architecture.classes else {
        throw ToolError(
          summary: "The null model \(path) has another number of classes than the model.",
          remedy: "Give models of the same task.", category: .badData)
      }
      // A null model sees carriers through its own normalization.
      return try scores.compactMap {
        try TriggerSetAccuracy(carriers: $0.carriers, normalization: null.normalization)
          .score(null.model, session: session)
      }
    }
  }
}
