import BulwarkNN
import BulwarkStore
import BulwarkTraining
import BulwarkWatermark
import Foundation

/// What `watermark verify` and `run` share: open the commitment, train null models that are missing, test
/// the suspect, report. Exit code 2 when nothing is shown.
struct WatermarkVerifyJob: RecipeJob {
  let command: String
  let resolved: ResolvedRecipe<WatermarkVerifyRecipe>
  let options: RunOptions
  let console: Console

  private var recipe: WatermarkVerifyRecipe { resolved.recipe }

  func perform() throws {
    guard options.from == nil, !options.resume else {
      throw ToolError.usage(
        "--from and --resume have no meaning here.",
        remedy: "Run the same command again: null models in \(recipe.cache) are used again.")
    }
    let isServed = try recipe.isServed()
    if let out = options.out { try OutputFile.check(out, force: options.force) }
    let (key, published, opened) = try openedKey()
    let task = try WatermarkTask(recipe, skipBad: options.skipBad, console: console)
    try key.check(task.data.train)
    if key.choosesByOwnRule {
      console.note(
        "note: the owner chose directions by a rule of his own, not the usual one "
          + "(\(CarrierPlan.usualCandidates) candidates, reach \(DirectionRule().reach)), so the key "
          + "counts as chosen")
    } else if try !key.isDrawn(from: task.data.train) {
      console.note(
        "note: the key was made for other training data, so its images cannot be drawn again and "
          + "count as chosen; give the owner's training set as --data (in a recipe: data.path)")
    } else if try key.trainFingerprint != task.data.train.fingerprint {
      console.note("note: the key was made for other training data; null models learn these")
    }
    try recipe.evidence.validate(key.mark.scheme)
    let suspect =
      try isServed
      ? Suspect(served: recipe, classNames: task.data.train.classNames)
      : Suspect(atHand: recipe, key, task, console: console)
    let sink = ProgressSink(console, run: "verify")
    let session = try task.session(
      seed: 0, events: sink, stopRequested: { Interruption.isRequested })
    let population = try task.population(recipe, of: suspect.architecture)
    let missing = try missing(population, for: key, session)
    if options.dryRun {
      try estimate(population, key, task, missing: missing)
      return
    }
    if missing > 0 { console.note("training \(missing) null models; \(recipe.cache) keeps them") }
    var evidence = recipe.evidence
    if suspect.answersLabelsOnly { evidence.access = .labels }
    Interruption.install(.finishStep)
    let report: VerificationReport
    do {
      let verifier = try WatermarkVerifier(
        key, published: published, nulls: population.models(session), data: task.data,
        options: evidence, foreign: population.foreignKeys(of: key, session), cache: recipe.cache,
        session: session)
      report = try suspect.report(verifier)
    } catch let stop as TrainingInterrupted {
      console.clearProgress()
      throw EarlyExit(
        status: .interrupted,
        message: "bulwark: interrupted in stage \(stop.stage) after step \(stop.step); "
          + "\(recipe.cache) holds what is known of null models.\nRun the same command again.")
    }
    try finish(report, key, opened: opened, task, suspect)
  }

  /// The key, held against every commitment that is there; the published one; and what the key was held
  /// against.
  private func openedKey() throws -> (WatermarkKey, Commitment?, [String]) {
    let key = try Self.key(recipe.key, console: console)
    guard try key.commitment() != nil else {
      throw WatermarkError.badKey(recipe.key, reason: "its model is not trained to the end yet")
    }
    var opened = ["key file"]
    let published = Commitment(parsing: recipe.commitment)
    if let published {
      try key.check(published)
      opened.append("published commitment")
    } else {
      console.note(
        "warning: without --commitment nothing can be shown: a file proves nothing about its own age"
      )
    }
    if !recipe.released.isEmpty {
      let released = try Checkpoint(reading: recipe.released)
      guard let stated = released.watermarkCommitment else {
        throw WatermarkError.mismatch("\(recipe.released) states no commitment")
      }
      try key.check(stated)
      guard try released.modelDigest().description == key.modelDigest else {
        throw WatermarkError.mismatch("\(recipe.released) is not the model that it was sealed to")
      }
      // Weights do not load into another network than theirs.
      let architecture = try ImageClassifier.restored(from: released).architecture
      if let stated = key.facts.architecture, stated != architecture {
        throw WatermarkError.mismatch(
          "it states a \(stated.spoken), \(recipe.released) is a \(architecture.spoken)")
      }
      opened.append("released model")
    }
    return (key, published, opened)
  }

  /// Reads a key file, and warns when others can, too.
  static func key(_ path: String, console: Console) throws -> WatermarkKey {
    guard FileManager.default.fileExists(atPath: path) else {
      throw ToolError.missing(path, what: "key file")
    }
    if WatermarkKey.isReadableByOthers(path) {
      console.note("warning: others can read \(path); chmod 600 it")
    }
    return try WatermarkKey(reading: path)
  }

  /// What a reader must know about the key, the null models and the suspect.
  func warnings(_ report: VerificationReport, _ key: WatermarkKey, hasTest: Bool) -> [String] {
    var warnings = report.warnings
    if let name = key.facts.published {
      warnings.append(WatermarkEmbedRecipe.warning(published: name))
    }
    if key.mark.signal?.served != nil, !recipe.suspect.isEmpty {
      warnings.append(
        "a server changes the answers that this key marks: the owner's own network shows nothing, only what "
          + "learned from the server's answers can")
    }
    if key.choosesDirections, recipe.released.isEmpty {
      warnings.append(
        "foreign keys are chosen by a network like the owner's, whose size only the key file tells; "
          + "--released has it checked")
    }
    if key.readsLean(recipe.evidence.reading), !hasTest {
      warnings.append(
        "there are no test images, so ordinary answers are read on training images, which null models have learned and "
          + "the suspect may not have: only the rank among keys can be relied on")
    }
    if let own = key.facts.training, own != recipe.nulls.training {
      warnings.append(
        "null models are not trained as the owner's model was, whose settings the key file tells; "
          + "set them with --set nulls.training.KEY=VALUE")
    }
    return warnings
  }

  /// Models still to be trained, with the one that chooses for foreign keys.
  private func missing(
    _ population: NullPopulation, for key: WatermarkKey, _ session: TrainingSession
  ) throws -> Int {
    var paths = try (0..<population.count).map { try population.path($0, session) }
    if key.choosesDirections {
      paths.append(try population.choosing(for: key).choosingPath(session))
    }
    return paths.count { !FileManager.default.fileExists(atPath: $0) }
  }

  private func estimate(
    _ population: NullPopulation, _ key: WatermarkKey, _ task: WatermarkTask, missing: Int
  ) throws {
    let watch = StopWatch(SupervisedTrainer.stage)
    let session = try task.session(
      seed: 0, events: watch, stopRequested: { watch.hasSeenEnough })
    do {
      _ = try SupervisedTrainer(
        population.architecture, data: task.data, options: population.training,
        augmentation: task.augmentation, session: session
      ).run()
    } catch is TrainingInterrupted {
      // What was asked for.
    }
    let one = watch.totalSeconds
    // Drawn once for all models; those that have been asked before are not asked again.
    let answers =
      population.count * (1 + recipe.evidence.tableKeys) + 1 + recipe.evidence.allKeys
    let (perModel, perAnswer) = try secondsOfScoring(population, key, task)
    let scoring = Double(population.count + 1) * perModel + Double(answers) * perAnswer
    let estimate = WorkEstimate(seconds: one * Double(missing) + scoring)
    var result = ResultObject(command: command)
    result.recipe = resolved.digest
    result.metrics = estimate.metrics
    result.details = [
      "dry_run": true, "missing_null_models": .int(missing), "scores": .int(answers),
    ]
    try console.finish(result) {
      [
        "Everything checked; nothing was trained.",
        estimate.line(
          " for \(missing) null models of \(spokenDuration(one)) each, and \(answers) scores of models under "
            + "keys (\(spokenDuration(scoring)); less where the cache has some)"),
      ]
    }
  }

  /// Seconds to ask a model about ordinary images, and to draw a key and ask a model about it, by an untrained one.
  private func secondsOfScoring(
    _ population: NullPopulation, _ key: WatermarkKey, _ task: WatermarkTask
  ) throws -> (perModel: Double, perAnswer: Double) {
    let session = try task.session(seed: 0, events: nil)
    let model = try population.architecture.build(
      key: session.key.stream("weights"), device: session.device)
    let foreign = try ForeignKeys(
      of: key, material: task.data.train,
      choosing: ChoosingModel(model, normalization: task.data.normalization, session: session))
    /// Seconds to ask one model about so many foreign keys.
    func seconds(_ keys: Int) throws -> Double {
      let begin = ContinuousClock.now
      _ = try WatermarkVerifier(
        key, published: nil, nulls: [model], data: task.data,
        options: VerificationOptions(
          foreignKeys: keys, suspectKeys: keys, access: recipe.evidence.access,
          reading: recipe.evidence.reading),
        foreign: foreign, session: session)
      return (ContinuousClock.now - begin).inSeconds
    }
    // Choices are made once, so the longer run must be the first to make them.
    let (few, many) = (1, 16)
    let (long, short) = (try seconds(many), try seconds(few))
    let perAnswer = max(0, long - short) / Double(many - few)
    return (max(0, short - Double(few + 1) * perAnswer), perAnswer)
  }
}
