import BulwarkData
import BulwarkDefense
import BulwarkNN
import BulwarkPoisoning
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// A recipe with its images, ready to train.
struct TrainRun {
  let resolved: ResolvedRecipe<TrainRecipe>
  let console: Console
  let device: Device
  /// Where the data come from, as results hold it.
  let inputs: [String: JSONValue]
  /// The attack that this run applied itself; nil for data that are used as they are.
  let attack: Attack?
  let data: TrainingData
  let architecture: Architecture

  var recipe: TrainRecipe { resolved.recipe }

  /// What is kept of an attack, so that the clean training set need not be.
  struct Attack {
    let manifest: PoisonManifest
    /// Rows of clean | poisoned | difference; none where nothing was poisoned.
    let pictures: [[Tensor]]
  }

  /// Reads the images, poisons them where the recipe says so, and finds the device.
  init(_ resolved: ResolvedRecipe<TrainRecipe>, skipBad: Bool, console: Console) throws {
    let recipe = resolved.recipe
    self.resolved = resolved
    self.console = console
    let spec = try recipe.poison.spec(seed: recipe.seed)
    let runtime = try Runtime.shared()
    if recipe.threads > 0 { try runtime.setThreadCount(recipe.threads) }
    device = try Device(parsing: recipe.device)
    let bundle = try console.load(
      recipe.data.path, options: recipe.loadOptions(skipBad: skipBad))
    var inputs = try bundle.inputs

    var train = bundle.train
    var known = bundle.indexSets["poisoned"]
    var poisoner = try PoisonManifest.stored(in: bundle)?.poisoner()
    if let spec {
      let poisoned = try TrainRun.poison(
        bundle, spec, classifier: recipe.poison.classifier, device: device, console: console)
      attack = Attack(manifest: try poisoned.manifest(), pictures: try poisoned.pictureRows())
      poisoner = try Poisoner(spec)
      train = poisoned.dataset
      // Data that were poisoned before hold those poisons still.
      known = Set(known ?? []).union(poisoned.poisonedIndices).sorted()
    } else {
      attack = nil
    }
    if let left = try recipe.samplesToLeaveOut(of: train.count) {
      let poisons = known.map(Set.init)
      train = try train.subset(left.retain)
      known = poisons.map { poisons in
        left.retain.indices.filter { poisons.contains(left.retain[$0]) }
      }
      inputs["left_out"] = .string(left.digest)
      console.note("\(train.count) samples are left without those of \(recipe.leaveOut)")
    }
    self.inputs = inputs
    let normalize = try train.normalization()
    let triggered = try bundle.test.flatMap { test in
      try poisoner.map { try $0.triggeredTest(test) }
    }
    data = TrainingData(
      train: train,
      evaluator: Evaluator(test: bundle.test, triggered: triggered, normalization: normalize),
      knownPoisons: known)
    architecture = recipe.architecture(for: train)
  }

  private static func poison(
    _ bundle: DataBundle, _ spec: AttackSpec, classifier path: String, device: Device,
    console: Console
  ) throws -> PoisonedDataset {
    let model = try path.isEmpty ? nil : LoadedModel(path, device: device, console: console)
    try model?.check(bundle.train, path: bundle.path)
    return try Poisoner(spec).poison(
      bundle.train, classifier: model.map { $0.model.attackView($0.normalization) }, device: device
    ) { done, total in
      console.progress("poisoning", completed: done, total: total)
    }
  }

  /// A session that tells `events` and writes checkpoints with `save`.
  func session(
    events: any EventSink, stopRequested: @escaping () -> Bool,
    save: ((Checkpoint) throws -> Void)?
  ) throws -> TrainingSession {
    try TrainingSession(
      seed: recipe.seed, device: device, precision: recipe.precision, events: events,
      checkpointInterval: recipe.checkpointInterval, stopRequested: stopRequested, save: save)
  }

  /// The trainer of a method; nothing is computed yet.
  func trainer(
    _ method: TrainRecipe.Method, dbd options: DBDOptions? = nil, session: TrainingSession
  ) throws -> any MethodTrainer {
    switch method {
    case .standard:
      return try SupervisedTrainer(
        architecture, data: data, options: recipe.standard,
        augmentation: recipe.weakViews(normalize: data.normalization), session: session)
    case .dbd: return try dbdTrainer(options, session: session)
    }
  }

  /// The trainer of DBD, with other options than the recipe's where they are given.
  func dbdTrainer(_ options: DBDOptions? = nil, session: TrainingSession) throws -> DBDTrainer {
    try DBDTrainer(
      architecture, data: data, options: options ?? recipe.dbd,
      views: DBDViews(
        contrastive: recipe.contrastiveViews(of: data.train, normalize: data.normalization),
        weak: recipe.weakViews(normalize: data.normalization)), session: session)
  }
}

/// What the tool needs of every training method.
protocol MethodTrainer: AnyObject {
  var model: ImageClassifier { get }
  var history: MetricHistory { get }
  func run() throws -> [MetricValue]
  func snapshot() throws -> Checkpoint
  func restore(_ checkpoint: Checkpoint) throws
}

extension SupervisedTrainer: MethodTrainer {}
extension DBDTrainer: MethodTrainer {}
