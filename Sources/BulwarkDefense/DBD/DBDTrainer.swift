import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Decoupling-based backdoor defense (DBD; Huang, Li, Wu, Qin, Ren, ICLR 2022).
///
/// 1. Self-supervision: SimCLR on all images, labels ignored (`SelfSupervisionStage`).
/// 2. Head: a linear layer on the frozen backbone, all given labels, symmetric cross-entropy
///    (`HeadStage`).
/// 3. Semi-supervision: before every epoch the samples are ranked by loss (`LossFilter`), those of
///    low loss keep their label, and MixMatch trains the whole network (`MixMatchStage`).
///
/// After every stage the evidence is recorded: clean accuracy, attack success rate and filter purity
/// where they can be known.
public final class DBDTrainer {
  /// The stages, in order.
  public enum Stage: String, Sendable, Codable, CaseIterable {
    case selfSupervision = "self_supervision"
    case head
    case semiSupervision = "semi_supervision"
    case done
  }

  /// The model that is trained.
  public let model: ImageClassifier
  /// All numbers measured so far.
  public internal(set) var history = MetricHistory()
  /// Stage that runs next or now.
  public internal(set) var stage = Stage.selfSupervision
  /// Steps of that stage that are done.
  public internal(set) var step = 0
  /// The split that is in use, once stage 2 is over.
  public internal(set) var split: LossSplit?

  /// Classes taken for the target of an attack, by their contradictions or because samples of theirs are in
  /// quarantine, ascending; empty where no class stood out.
  public var suspectedClasses: [Int] {
    Set(quarantine.map { data.train.labels[$0] }).union(contradictedClasses).sorted()
  }

  /// Whether the options make stage 3 look for contradicted classes.
  public var looksForContradictions: Bool {
    let (filter, settings) = (options.filter, options.semiSupervision)
    return filter.suspectThreshold > 0 && settings.method != .none
      && settings.epochs > max(filter.suspectFromEpoch, filter.neighborEpochs)
  }

  /// Those of the suspected classes that stand out by their contradictions (`ClassSuspicion`), ascending; empty
  /// where `DBDOptions.Filter.suspectThreshold` is 0.
  public internal(set) var contradictedClasses: [Int] = []

  /// Samples that no pool of stages 2 and 3 holds because they form cliques in the features of stage 1
  /// (`CliqueSuspicion`) or are known by a pattern in their pixels (`ShortcutSuspicion`); empty where there are
  /// none, or where the options look for neither. Ascending.
  public var quarantine: [Int] { Set(cliques).union(shortcuts).sorted() }

  /// Those in quarantine for a clique, ascending.
  public internal(set) var cliques: [Int] = []

  /// Those in quarantine for a pattern in their pixels, ascending.
  public internal(set) var shortcuts: [Int] = []

  /// Histograms and class counts after each stage that is over, as `StageRecord.json`, by its name.
  public internal(set) var stageRecords: [String: JSONValue] = [:]

  let data: TrainingData
  let options: DBDOptions
  let session: TrainingSession
  let views: DBDViews
  let projection: ProjectionHead
  let contrastiveOptimizer: SGD
  let optimizer: Adam
  let fineTuner: any Optimizer
  let average: WeightAverage?
  var lossSum = 0.0

  /// Prepares a run; nothing is computed yet.
  ///
  /// - Throws: `DBDError.tooFewSamples` for less than two training samples; `TensorError`.
  public init(
    _ architecture: Architecture, data: TrainingData, options: DBDOptions, views: DBDViews,
    session: TrainingSession
  ) throws {
    guard data.train.count > 1 else { throw DBDError.tooFewSamples(data.train.count) }
    self.data = data
    self.options = options
    self.session = session
    self.views = views
    model = try architecture.build(key: session.key.stream("weights"), device: session.device)
    projection = try ProjectionHead(
      input: model.backbone.featureCount, output: options.selfSupervision.embeddingSize,
      key: session.key.stream("projection"), device: session.device)
    let settings = options.selfSupervision
    contrastiveOptimizer = SGD(
      model.state.parameters.filter { [model] in !model.isHead($0.name) }
        + projection.state.parameters,
      learningRate: settings.learningRate, momentum: settings.momentum,
      weightDecay: settings.weightDecay)
    // One Adam for stages 2 and 3, as in the official code: what has no gradient in stage 2 keeps an
    // untouched state.
    optimizer = Adam(model.state.parameters, learningRate: options.head.learningRate)
    fineTuner =
      options.semiSupervision.optimizer == .adam
      ? optimizer
      : SGD(
        model.state.parameters, learningRate: options.semiSupervision.learningRate,
        weightDecay: options.semiSupervision.weightDecay, nesterov: true)
    average =
      options.semiSupervision.averageDecay > 0
      ? try WeightAverage(model.state, decay: options.semiSupervision.averageDecay) : nil
  }

  /// Runs all stages that are left.
  ///
  /// - Returns: the measurements of the final model.
  /// - Throws: `TrainingInterrupted` after a checkpoint when the session was asked to stop.
  public func run() throws -> [MetricValue] {
    if stage == .selfSupervision {
      if options.selfSupervision.enabled {
        try runSelfSupervision()
        // Features that nothing has trained say nothing, and looking at them costs a pass over all samples.
        if options.selfSupervision.epochs > 0 { try measureFeatures() }
      }
      try enter(.head)
    }
    if stage == .head {
      try runHead()
      try measure(at: .head)
      try enter(.semiSupervision)
    }
    if stage == .semiSupervision {
      try runSemiSupervision()
      try measure(at: .semiSupervision)
      try enter(.done)
    }
    return try data.evaluator.measure(model, session: session)
  }

  private func enter(_ next: Stage) throws {
    try model.requireFiniteState(stage: stage.rawValue, step: step)
    stage = next
    step = 0
    lossSum = 0
    try session.keep(snapshot)
  }

  /// Reports a finished step, and stops or saves when it is time.
  func finishedStep(of steps: Int, samples: Int) throws {
    try session.finished(
      stage: stage.rawValue, step: step, of: steps, samples: samples, snapshot: snapshot)
  }

  func record(_ value: MetricValue, at stage: Stage) {
    history.record(value, stage: stage.rawValue, step: step)
    session.tell(.metric(value, stage: stage.rawValue, step: step))
  }

  func measure(at stage: Stage) throws {
    for value in try data.evaluator.measure(model, session: session) { record(value, at: stage) }
    try record(currentRanking(epoch: -1), by: .loss, at: stage)
  }

  /// After stage 1 there is no head to measure: the features are judged by the votes of neighbors.
  private func measureFeatures() throws {
    let ranking = try neighborRanking(epoch: 0, neighbors: options.filter.neighbors)
    let agreed = zip(ranking.predicted, ranking.labels).count { $0 == $1 }
    record(
      MetricValue(
        Metric.neighborAgreement, Double(agreed) / Double(data.train.count), count: data.train.count
      ),
      at: .selfSupervision)
    try record(ranking, by: .neighbors, at: .selfSupervision)
  }

  private func record(_ ranking: SuspicionRanking, by score: StageRecord.Score, at stage: Stage)
    throws
  {
    guard ranking.scores.allSatisfy(\.isFinite) else {
      throw TrainingError.diverged(what: "scores", stage: stage.rawValue, step: step)
    }
    for value in evidence(ranking) { record(value, at: stage) }
    stageRecords[stage.rawValue] =
      StageRecord(
        ranking, by: score, labeled: pool(of: ranking).labeled, classCount: data.train.classCount,
        knownPoisons: data.knownPoisons
      ).json()
  }

  /// What is known about a ranking and about the labeled pool: the pool of the newest epoch of stage 3, or
  /// before stage 3 the one that its first epoch would take from this ranking.
  ///
  /// - Parameter ranking: of the training samples.
  /// - Returns: as `SuspicionRanking.evidence`; empty where the poisons are not known.
  public func evidence(_ ranking: SuspicionRanking) -> [MetricValue] {
    ranking.evidence(knownPoisons: data.knownPoisons, split: pool(of: ranking))
  }

  private func pool(of ranking: SuspicionRanking) -> LossSplit {
    split
      ?? LossSplit(
        ranking, count: labeledCount(epoch: 0), perClass: options.filter.perClass,
        excluding: Set(quarantine))
  }
}
