import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTraining
import BulwarkUnlearning
import Foundation

/// The work on one shadow of U-LiRA. What the cache holds is not computed again: where it has the answers
/// of every model, the shadow itself is not even trained.
final class ShadowWork {
  let input: UnlearningInput
  /// Of all training on the shadow.
  let seed: UInt64
  private let run: UnlearnRun
  private let audited: ImageDataset
  private let shadow: Int
  /// The shadow before unlearning, once a model has asked for it.
  private var original: Checkpoint?

  /// Describes the work; nothing is computed yet.
  ///
  /// - Parameters:
  ///   - run: recipe, architecture and device.
  ///   - input: the shadow's training set, and which of it is unlearned.
  ///   - audited: the samples that every model answers for.
  ///   - shadow: number of the shadow, from 0.
  ///   - seed: of all training on the shadow.
  init(
    run: UnlearnRun, input: UnlearningInput, audited: ImageDataset, shadow: Int, seed: UInt64
  ) {
    self.run = run
    self.input = input
    self.audited = audited
    self.shadow = shadow
    self.seed = seed
  }

  /// The statistic of each audited sample under a model, from the cache or computed now.
  ///
  /// - Throws: `UnlearningError.notFinite` when the unlearning diverges or its model gives no numbers;
  ///   `EarlyExit` with status 75 when a signal came.
  func statistic(of subject: ShadowAudit.Subject) throws -> [Double] {
    let path = try path("ulira", identity(of: subject), "json")
    if let data = FileManager.default.contents(atPath: path),
      let known = try? JSONDecoder().decode([Double].self, from: data), known.count == audited.count
    {
      return known
    }
    let logits = try model(of: subject).logits(
      of: audited, input.normalization, session: session(saving: nil, events: nil))
    let values = try LikelihoodRatioAttack.statistic(logits, labels: audited.labels)
    guard values.allSatisfy(\.isFinite) else {
      throw UnlearningError.notFinite("answers", at: "for the audited samples")
    }
    let text = try JSONValue(encoding: values).text() + "\n"
    try AtomicFile.write(Data(text.utf8), to: path, overwrite: true)
    return values
  }

  /// File of the shadow in the cache.
  func file() throws -> String { try path("shadow", identity(), "h5") }

  /// What trains the shadow; nothing is computed yet.
  func trainer(_ session: TrainingSession) throws -> SupervisedTrainer {
    let data = TrainingData(
      train: input.train,
      evaluator: Evaluator(test: nil, triggered: nil, normalization: input.normalization))
    return try SupervisedTrainer(
      run.loaded.model.architecture, data: data, options: run.retrain,
      augmentation: input.augmentation, session: session)
  }

  private func model(of subject: ShadowAudit.Subject) throws -> ImageClassifier {
    switch subject {
    case .original: try ImageClassifier.restored(from: trained(), device: run.device)
    case .row(let row) where row.method.startsFromCheckpoint: try unlearned(row)
    case .row: try retrained()
    }
  }

  /// The shadow before unlearning, from the cache or trained now.
  private func trained() throws -> Checkpoint {
    if let original { return original }
    let path = try file()
    let saved = try FileManager.default.fileExists(atPath: path) ? Checkpoint(reading: path) : nil
    if let saved, saved.progress.stage == "done" {
      original = saved
      return saved
    }
    let made = try watched("training", saving: path) { session in
      let training = try trainer(session)
      if let saved { try training.restore(saved) }
      _ = try training.run()
      return try training.snapshot()
    }
    original = made
    return made
  }

  private func unlearned(_ row: MethodRow) throws -> ImageClassifier {
    let start = try trained()
    return try watched(row.name, saving: nil) { session in
      let unlearning = try Unlearner(
        row.method, options: run.recipe.settings, mask: run.recipe.mask(of: row), original: start,
        originalDigest: "shadow \(shadow)", input: input, session: session)
      try unlearning.run()
      return unlearning.model
    }
  }

  private func retrained() throws -> ImageClassifier {
    let path = try RetrainCache(run: run).path(input, seed: seed)
    return try watched(ForgettingReport.reference, saving: path) { session in
      let retraining = try Retraining(
        run.loaded.model.architecture, options: run.retrain, input: input, session: session)
      if FileManager.default.fileExists(atPath: path) {
        try retraining.restore(Checkpoint(reading: path))
      }
      try retraining.run()
      return retraining.model
    }
  }

  /// Does a part of the work in a session of its own, tells how far it is, and says how to go on when it
  /// is interrupted.
  private func watched<Product>(
    _ name: String, saving path: String?, _ work: (TrainingSession) throws -> Product
  ) throws -> Product {
    let sink = ProgressSink(run.console, run: "shadow \(shadow + 1), \(name)")
    do {
      // A session holds its sink weakly.
      return try withExtendedLifetime(sink) {
        try work(session(saving: path, events: sink))
      }
    } catch let stop as TrainingInterrupted {
      run.console.clearProgress()
      throw EarlyExit(
        status: .interrupted,
        message: "bulwark: interrupted in shadow \(shadow + 1), \(name), stage \(stop.stage), "
          + "after step \(stop.step); \(path ?? run.recipe.cache) holds what was done.\n"
          + "Run the same command with --resume.")
    }
  }

  private func session(saving path: String?, events: (any EventSink)?) throws -> TrainingSession {
    try OutputFile.makeFolder(run.recipe.cache)
    return try run.session(
      seed: seed, events: events, stopRequested: { Interruption.isRequested },
      save: path.map { path in { try $0.write(to: path, overwrite: true) } })
  }

  /// What decides the shadow's training.
  private func identity() throws -> [String: JSONValue] {
    var identity = try RetrainCache(run: run).identity(input, seed: seed)
    identity["kind"] = "shadow"
    return identity
  }

  /// What decides the answers of a model.
  private func identity(of subject: ShadowAudit.Subject) throws -> [String: JSONValue] {
    var identity = try identity()
    identity["row"] = .string(subject.name)
    if case .row(let row) = subject {
      identity["settings"] = try run.recipe.settings.settings(of: row.method)
      identity["mask"] = try JSONValue(encoding: run.recipe.mask(of: row))
    }
    return identity
  }

  /// File in the cache.
  private func path(_ kind: String, _ identity: [String: JSONValue], _ ending: String) throws
    -> String
  {
    let digest = SHA256Digest(of: try JSONValue.object(identity).text()).description.prefix(24)
    return "\(run.recipe.cache)/\(kind)-\(digest).\(ending)"
  }
}
