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
  /// The stolen model's, which the attacks share.
  let answers: TeacherAnswers
  /// Digest of the recipe and of what its paths lead to, as far as the suite does not see it.
  let context: String
  /// Digest of what decides the surrogates beside the attacks' settings.
  let means: String
  /// What the owner's server does to the stolen model's answers; nil where there is none.
  private let server: CosineChange?
  private var keys: StressKeys
  private let nullModels: [LoadedModel]
  /// Of null models, which know the images and not the stolen model: that of `verify`.
  private let nullNormalization: Normalize
  private let views: [AugmentationStep]

  var recipe: StressRecipe { resolved.recipe }

  /// Reads everything and makes sure that it belongs together.
  ///
  /// - Parameters:
  ///   - resolved: the recipe.
  ///   - skipBad: whether unreadable images are left out.
  ///   - console: for notes and progress.
  ///   - askedSample: images that the stolen model is asked about where only time is to be estimated.
  /// - Throws: `ToolError`, or the error of what cannot be read or does not belong together.
  init(
    _ resolved: ResolvedRecipe<StressRecipe>, skipBad: Bool, console: Console,
    askedSample: Int? = nil
  ) throws {
    let recipe = resolved.recipe
    self.resolved = resolved
    self.console = console
    let runtime = try Runtime.shared()
    if recipe.threads > 0 { try runtime.setThreadCount(recipe.threads) }
    device = try Device(parsing: recipe.device)
    let loaded = try LoadedModel(recipe.checkpoint, device: device, console: console)
    self.loaded = loaded
    bundle = try console.load(recipe.data.path, options: recipe.data.loadOptions(skipBad: skipBad))
    try loaded.check(bundle.train, path: recipe.data.path)
    guard bundle.test != nil else {
      throw ToolError(
        summary: "\(recipe.data.path) has no test images, so no accuracy can be measured.",
        remedy: "Give a data set with a test set.", category: .badData)
    }
    let owner = bundle.train
    keys = try StressKeys(
      recipe, train: owner, probe: bundle.test ?? owner, console: console)
    // An attacker who had the carriers would be no thief but the owner.
    let secret = keys.secret
    let (train, removed) = try owner.without(secret)
    if removed > 0 {
      console.note("note: \(removed) carriers were among the training images; left out")
    }
    data = TrainingData(
      train: train,
      evaluator: Evaluator(
        test: bundle.test, triggered: nil, normalization: loaded.normalization))
    let others = try StressRun.otherImages(
      recipe, without: [owner] + (bundle.test.map { [$0] } ?? []) + secret, skipBad, console)
    let otherImages = try others?.fingerprint ?? ""
    nullNormalization = try owner.normalization()
    context = SHA256Digest(of: "\(resolved.digest) \(otherImages)").description
    views = StressRun.views(recipe, loaded.checkpoint, console)
    let server = try keys.server(loaded.normalization, on: device)
    self.server = server
    if server != nil {
      console.note(
        "note: a server changes this owner's answers; distillation asks it, all other attacks change the "
          + "model, which carries no mark")
    }
    means = try SHA256Digest(
      of: "\(otherImages) \(JSONValue.text(of: views)) \(JSONValue.text(of: loaded.normalization))"
    ).description
    let environment = RemovalEnvironment(
      views: views, otherImages: others, server: server, seed: recipe.seed,
      askedSample: askedSample)
    answers = environment.answers
    let counts = keys.carriers?.countsPerClass ?? [0]
    let markedClass = keys.markedClass ?? counts.indices.max { counts[$0] < counts[$1] } ?? 0
    if keys.carriers == nil, keys.markedClass == nil {
      console.note(
        "note: the mark has no class; salun forgets class 0 unless its text names another")
    }
    let registry = StressAttacks.registry(carrierClass: markedClass)
    attacks = try recipe.names.map { try registry.attack($0, environment: environment) }
    for attack in attacks {
      for link in (attack as? RemovalChain)?.links ?? [attack] {
        _ = try (link as? ClassUnlearning)?.members(of: train)
      }
    }
    if !recipe.key.isEmpty {
      let digest = try loaded.checkpoint.modelDigest().description
      if let sealed = keys.sealedTo, sealed != digest {
        console.note("note: \(recipe.key) is sealed to another model than \(recipe.checkpoint)")
      } else if keys.sealedTo == nil {
        console.note("note: \(recipe.key) is sealed to no model; its embedding is not finished")
      }
    }
    let nulls = try recipe.nullModels.map { [device, console] in
      try LoadedModel($0, device: device, console: console)
    }
    for null in nulls { try null.check(owner, path: recipe.data.path) }
    nullModels = nulls
  }

  /// The suite, ready to judge by these null models.
  func suite(nulls: [NullScores]) throws -> StressSuite {
    try StressSuite(
      attacks: attacks, marks: keys.marks(loaded.normalization), margin: recipe.margin,
      keyRank: recipe.evidence.keyRank, nulls: nulls, context: context, means: means, server: server
    )
  }

  /// Makes foreign keys as the owner made his, where he chose directions and null models are to judge: one more
  /// unmarked model, of the stolen one's architecture, chooses for them.
  ///
  /// - Throws: `TrainingInterrupted` when the session was asked to stop; the cache holds what was done. What
  ///   training throws.
  mutating func chooseForeignKeys(_ session: TrainingSession) throws {
    guard let key = keys.chosenKey, let population = try choosingPopulation() else { return }
    let chooser = try population.choosingModel(session)
    try keys.choose(population.foreignKeys(of: key, session), by: chooser.weightDigest())
  }

  /// The null models that the one that chooses belongs to; nil where nothing is judged or chosen.
  private func choosingPopulation() throws -> NullPopulation? {
    guard let key = keys.chosenKey, recipe.nulls.count > 0 || !nullModels.isEmpty else {
      return nil
    }
    return population(
      try recipe.nulls.architecture(of: loaded.model.architecture, for: data.train)
    ).choosing(for: key)
  }

  /// Where an earlier run that the recipe names kept its surrogates; nil for none.
  ///
  /// - Parameters:
  ///   - recipe: of this run.
  ///   - out: this run's folder, which is emptied.
  /// - Returns: the folder of the surrogates.
  /// - Throws: `ToolError` where there are none, or where they would be lost.
  static func earlierSurrogates(_ recipe: StressRecipe, out: String) throws -> String? {
    guard !recipe.surrogates.isEmpty else { return nil }
    let folder = recipe.surrogates + "/attacks"
    guard FileManager.default.fileExists(atPath: folder) else {
      throw ToolError.missing(folder, what: "folder of surrogates")
    }
    func real(_ path: String) -> String {
      URL(fileURLWithPath: path).resolvingSymlinksInPath().standardized.path
    }
    guard real(recipe.surrogates) != real(out) else {
      throw ToolError.usage(
        "\(out) cannot take its own surrogates: a new run begins with an empty folder.",
        remedy: "Give another folder with --out.")
    }
    return folder
  }

  /// A session that tells `events`.
  func session(events: (any EventSink)?, stopRequested: @escaping () -> Bool = { false }) throws
    -> TrainingSession
  {
    try TrainingSession(
      seed: recipe.seed, device: device, precision: recipe.precision, events: events,
      checkpointInterval: recipe.checkpointInterval, stopRequested: stopRequested)
  }

  /// The architectures of the model and of its surrogates, each with that of its null models.
  func surrogates() throws -> [(surrogates: Architecture, models: Architecture)] {
    try StressSuite.surrogates(
      of: loaded.model.architecture, side: min(data.train.height, data.train.width),
      attacks: attacks
    ).map { ($0, try recipe.nulls.architecture(of: $0, for: data.train)) }
  }

  /// The null models of an architecture that the recipe asks for; those that are there already are not
  /// trained again.
  private func population(_ architecture: Architecture) -> NullPopulation {
    NullPopulation(
      architecture,
      data: TrainingData(
        train: bundle.train,
        evaluator: Evaluator(test: bundle.test, triggered: nil, normalization: nullNormalization)),
      training: recipe.nulls.training,
      augmentation: AugmentationPipeline(views + [.normalize(nullNormalization)]),
      count: recipe.nulls.count, draw: recipe.nulls.draw, folder: recipe.cache)
  }

  /// Null models that are still to be trained, by architecture.
  func missingNullModels() throws -> [(models: Architecture, count: Int)] {
    let session = try session(events: nil)
    var found: [(models: Architecture, count: Int)] = []
    var counted: Set<Architecture> = []
    if let choosing = try choosingPopulation() {
      let isThere = FileManager.default.fileExists(atPath: try choosing.choosingPath(session))
      found.append((choosing.architecture, isThere ? 0 : 1))
    }
    for (_, models) in try surrogates() where !counted.contains(models) {
      counted.insert(models)
      let population = population(models)
      let count = try (0..<population.count).count {
        !FileManager.default.fileExists(atPath: try population.path($0, session))
      }
      if let place = found.firstIndex(where: { $0.models == models }) {
        found[place].count += count
      } else {
        found.append((models, count))
      }
    }
    return found.filter { $0.count > 0 }
  }

  /// What null models score under every key, a population for each architecture of surrogates; trains
  /// the models that are missing. Where those of surrogates cannot be made, these are not judged.
  ///
  /// - Throws: `TrainingInterrupted` when the session was asked to stop; the cache holds what was done.
  ///   What training throws where the models are those of the stolen model's own architecture.
  func nullScores(_ session: TrainingSession) throws -> [NullScores] {
    var known: [Architecture: NullScores] = [:]
    let wanted = try surrogates()
    for null in nullModels where !wanted.contains(where: { $0.models == null.model.architecture }) {
      console.note(
        "note: \(null.path) (\(null.model.architecture.spoken)) is of no surrogate's architecture "
          + "and is not used")
    }
    return try wanted.map { surrogates, models in
      if let same = known[models] {
        return NullScores(
          surrogates, models: models, scores: same.scores, accuracies: same.accuracies,
          failure: same.failure)
      }
      let found = try nullScores(surrogates, models, session)
      known[models] = found
      return found
    }
  }

  /// The population of one architecture of surrogates.
  private func nullScores(
    _ surrogates: Architecture, _ models: Architecture, _ session: TrainingSession
  ) throws -> NullScores {
    do {
      let trained = recipe.nulls.count > 0 ? try population(models).models(session) : []
      let given = nullModels.filter { $0.model.architecture == models }
      let nulls =
        trained.map { (model: $0, normalization: nullNormalization) }
        + given.map { (model: $0.model, normalization: $0.normalization) }
      let scores = try keys.scores(nulls, session)
      return NullScores(
        surrogates, models: models, scores: scores,
        accuracies: try nulls.map {
          try accuracy(of: $0.model, $0.normalization, session)
        })
    } catch let error as any BulwarkError
      where error.category == .failure && surrogates != loaded.model.architecture
    {
      console.note(
        "note: there can be no null models (\(models.spoken)), so surrogates of \(surrogates.spoken) "
          + "are not judged: \(error.summary)")
      return NullScores(surrogates, models: models, scores: [], failure: error.summary)
    }
  }

  /// Share of the test images that a model answers rightly.
  private func accuracy(
    of model: ImageClassifier, _ normalization: Normalize, _ session: TrainingSession
  ) throws -> Double {
    guard let test = data.evaluator.test else { return 0 }
    let answers = try model.predictions(of: test, normalization, session: session)
    return Double(zip(answers, test.labels).count { $0 == $1 }) / Double(max(test.count, 1))
  }

  /// Images that the owner did not train on and nobody measures on, checked to be others; nil where none are asked for.
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
      set.classNames == known[0].classNames
    else {
      throw ToolError(
        summary: "\(settings.path) has images or classes of another form than \(recipe.data.path).",
        remedy: "Give images of the same size and channels, with the same names of classes.",
        category: .badData)
    }
    let (others, removed) = try set.without(known)
    if removed > 0 {
      console.note(
        "note: \(removed) images of \(settings.path) are the owner's, test images or carriers; "
          + "left out")
    }
    guard settings.limit > 0 else { return others }
    return try others.subset(
      SampleSelection.balanced(
        labels: others.labels, classCount: others.classCount, limit: settings.limit))
  }

  /// The random views that the owner trained with, as far as they are known.
  private static func views(
    _ recipe: StressRecipe, _ checkpoint: Checkpoint, _ console: Console
  ) -> [AugmentationStep] {
    guard recipe.views == .checkpoint else { return recipe.augmentation.weakSteps }
    if let text = checkpoint.recipe,
      let found = TrainRecipe(text: text, file: recipe.checkpoint)
    {
      return found.augmentation.weakSteps
    }
    console.note("note: the checkpoint holds no training recipe; random views follow this recipe")
    return recipe.augmentation.weakSteps
  }
}

extension Architecture {
  /// `small_cnn, width 8`.
  var spoken: String { "\(family.rawValue), width \(width)" }
}
