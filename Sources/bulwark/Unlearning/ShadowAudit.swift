import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import BulwarkUnlearning
import Foundation

/// U-LiRA for every row of a recipe: trains the shadows, unlearns, attacks.
///
/// Shadow models, retrained references and the statistics of each method are kept in the cache under
/// the digests of what decides them, so a second run, or a resumed one, trains nothing twice.
struct ShadowAudit {
  let run: UnlearnRun

  /// What one row's attack found.
  struct Finding {
    var name: String
    var values: [MetricValue]
    /// Counts behind the rates.
    var details: JSONValue
  }

  private var recipe: UnlearnRecipe { run.recipe }
  private var console: Console { run.console }

  /// Attacks the original, the reference and every method.
  ///
  /// - Throws: `EarlyExit` with status 75 when a signal came.
  func callAsFunction() throws -> [Finding] {
    let design = try design()
    let rows = try rows()
    var statistics: [String: [[Double]]] = [:]
    for shadow in design.isMember.indices {
      let work = try work(shadow, design)
      let original = try work.trained()
      statistics[ForgettingReport.original, default: []].append(
        try work.statistic(ForgettingReport.original) { try work.model(original) })
      for row in rows {
        statistics[row.name, default: []].append(
          try work.statistic(row.name) { try work.unlearned(row, from: original) })
      }
      console.note("shadow \(shadow + 1) of \(design.isMember.count) done")
    }
    return ([ForgettingReport.original] + rows.map(\.name)).compactMap { name in
      statistics[name].map {
        finding(name, LikelihoodRatioAttack(statistics: $0, isMember: design.isMember))
      }
    }
  }

  /// The models that are attacked besides the original: Retrain and every method.
  func rows() throws -> [MethodRow] {
    let reference = try MethodRow(parsing: ForgettingReport.reference)
    return try [reference] + recipe.rows().filter { $0 != reference }
  }

  /// Which samples each shadow is trained on.
  func design() throws -> ShadowDesign {
    try ShadowDesign(
      count: run.bundle.train.count, share: recipe.audit.share, shadows: recipe.audit.shadows,
      key: key)
  }

  /// The samples that the audit is about, of which every shadow unlearns one half.
  func audited() throws -> ForgetSet {
    try ForgetSet(
      design().audited, of: run.bundle.train.count,
      origin: "the samples audited by U-LiRA, of which every shadow unlearns one half")
  }

  /// The work on a shadow of the design; nothing is computed yet.
  func work(_ shadow: Int, _ design: ShadowDesign) throws -> ShadowWork {
    let task = design.task(shadow)
    let set = try run.bundle.train.subset(task.train)
    let input = UnlearningInput(
      train: set,
      forgetSet: try ForgetSet(task.forget, of: set.count, origin: "half of the audited samples"),
      normalization: run.loaded.normalization, views: run.views)
    return ShadowWork(
      run: run, input: input, audited: try run.bundle.train.subset(design.audited), shadow: shadow,
      seed: key.stream("shadow").step(shadow).value)
  }

  private var key: RandomKey { RandomKey(seed: recipe.seed).stream("audit") }

  private func finding(_ name: String, _ attack: LikelihoodRatioAttack) -> Finding {
    let (positives, negatives) = (attack.unlearned.count, attack.unseen.count)
    var values = [MetricValue(Metric.uliraAUC, attack.area, count: positives + negatives)]
    var counts: [String: JSONValue] = [
      "unlearned": .int(positives), "unseen": .int(negatives), "auc": .double(attack.area),
    ]
    for (definition, rate) in [(Metric.uliraTPR1, 0.01), (Metric.uliraTPR01, 0.001)] {
      let found = attack.detected(atFalsePositiveRate: rate)
      values.append(
        MetricValue(
          definition, Double(found.truePositives) / Double(max(positives, 1)), count: positives))
      counts["at_fpr_\(rate)"] = [
        "true_positives": .int(found.truePositives), "false_positives": .int(found.falsePositives),
      ]
    }
    return Finding(name: name, values: values, details: .object(counts))
  }
}

/// The work on one shadow.
struct ShadowWork {
  let run: UnlearnRun
  let input: UnlearningInput
  let audited: ImageDataset
  let shadow: Int
  let seed: UInt64

  /// What decides the shadow's training.
  private func identity() throws -> [String: JSONValue] {
    var identity = try RetrainCache(run: run).identity(input, seed: seed)
    identity["kind"] = "shadow"
    return identity
  }

  private func path(_ kind: String, _ identity: [String: JSONValue], _ ending: String) throws
    -> String
  {
    let digest = SHA256Digest(of: try JSONValue.object(identity).text()).description.prefix(24)
    return "\(run.recipe.cache)/\(kind)-\(digest).\(ending)"
  }

  /// The shadow before unlearning, from the cache or trained now.
  func trained() throws -> Checkpoint {
    let path = try path("shadow", identity(), "h5")
    let trainer = try trainer(session(saving: path))
    if FileManager.default.fileExists(atPath: path) {
      let checkpoint = try Checkpoint(reading: path)
      if checkpoint.progress.stage == "done" { return checkpoint }
      try trainer.restore(checkpoint)
    }
    try interruptible(path) { _ = try trainer.run() }
    return try trainer.snapshot()
  }

  /// What trains the shadow; nothing is computed yet.
  func trainer(_ session: TrainingSession) throws -> SupervisedTrainer {
    let data = TrainingData(
      train: input.train,
      evaluator: Evaluator(test: nil, triggered: nil, normalization: input.normalization))
    return try SupervisedTrainer(
      run.loaded.model.architecture, data: data, options: run.retrain,
      augmentation: input.augmentation, session: session)
  }

  func model(_ checkpoint: Checkpoint) throws -> ImageClassifier {
    try ImageClassifier.restored(from: checkpoint, device: run.device)
  }

  /// The model after unlearning, or retrained.
  func unlearned(_ row: MethodRow, from original: Checkpoint) throws -> ImageClassifier {
    guard row.method.startsFromCheckpoint else {
      let path = try RetrainCache(run: run).path(input, seed: seed)
      let unlearning = try Retraining(
        run.loaded.model.architecture, options: run.retrain, input: input,
        session: session(saving: path))
      if FileManager.default.fileExists(atPath: path) {
        try unlearning.restore(Checkpoint(reading: path))
      }
      try interruptible(path) { try unlearning.run() }
      return unlearning.model
    }
    let unlearning = try Unlearner(
      row.method, options: run.recipe.settings, mask: run.mask(of: row), original: original,
      originalDigest: "shadow \(shadow)", input: input, session: session(saving: nil))
    try interruptible(run.recipe.cache) { try unlearning.run() }
    return unlearning.model
  }

  /// The statistic of each audited sample under a model, from the cache or computed now.
  func statistic(_ name: String, _ model: () throws -> ImageClassifier) throws -> [Double] {
    var identity = try identity()
    identity["row"] = .string(name)
    if let row = try? MethodRow(parsing: name) {
      identity["settings"] = try run.recipe.settings.settings(of: row.method)
      identity["mask"] = try JSONValue(encoding: run.mask(of: row))
    }
    let path = try path("ulira", identity, "json")
    if let data = FileManager.default.contents(atPath: path),
      let known = try? JSONDecoder().decode([Double].self, from: data), known.count == audited.count
    {
      return known
    }
    let logits = try model().logits(
      of: audited, input.normalization, session: session(saving: nil))
    let values = try LikelihoodRatioAttack.statistic(logits, labels: audited.labels)
    let text = try JSONValue(encoding: values).text() + "\n"
    try AtomicFile.write(Data(text.utf8), to: path, overwrite: true)
    return values
  }

  private func session(saving path: String?) throws -> TrainingSession {
    try OutputFile.makeFolder(run.recipe.cache)
    return try run.session(
      seed: seed, events: nil, stopRequested: { Interruption.isRequested },
      save: path.map { path in { try $0.write(to: path, overwrite: true) } })
  }

  private func interruptible(_ place: String, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch let stop as TrainingInterrupted {
      throw EarlyExit(
        status: .interrupted,
        message: "bulwark: interrupted in shadow \(shadow + 1), stage \(stop.stage), after step "
          + "\(stop.step); \(place) holds what was done.\nRun the same command with --resume.")
    }
  }
}
