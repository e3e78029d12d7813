import BulwarkData
import BulwarkDefense
import BulwarkNN
import BulwarkPoisoning
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation

/// Trains every method of a recipe and writes what comes out.
struct TrainExecution {
  let run: TrainRun
  let folder: RunFolder

  private var console: Console { run.console }
  private var isAttacked: Bool { run.data.evaluator.triggered != nil }

  /// One trained method.
  private struct Outcome {
    var method: TrainRecipe.Method
    var values: [MetricValue]
    var history: MetricHistory
    /// Names of the classes that the run took for the target of an attack; nil where it did not look.
    var suspected: [String]?
    /// Histograms and class counts of DBD's stages.
    var records: [String: JSONValue] = [:]
  }

  /// Makes the checkpoint of another DBD run the first one of this run, before anything else is trained: a run
  /// that is killed at once goes on from there, and the origin may have lain in this very folder.
  func start(from origin: RunOrigin) throws {
    try store(origin.snapshot, from: origin.record, at: folder.checkpoint(.dbd))
  }

  /// Trains, and gives the result object and its text.
  ///
  /// - Throws: `EarlyExit` with status 75 when a signal came; the checkpoint is written then.
  func callAsFunction(command: String) throws -> (ResultObject, Table) {
    Interruption.install(.finishStep)
    var result = ResultObject(command: command)
    result.recipe = run.resolved.digest
    result.inputs = run.inputs
    result.outputs = ["recipe": .string(folder.recipe)]
    if let attack = run.attack { try write(attack, into: &result) }
    let outcomes = try run.recipe.resolvedMethods().map { try train($0, into: &result) }

    if outcomes.count == 1, let only = outcomes.first {
      result.metrics = only.values.byName
    } else {
      result.rows = outcomes.map { .init(name: rowName($0.method), metrics: $0.values.byName) }
    }
    result.details = Dictionary(
      uniqueKeysWithValues: outcomes.map { (rowName($0.method), details($0)) })
    result.outputs["result"] = .string(folder.result)
    result.seconds = console.seconds
    try AtomicFile.write(Data((try result.line() + "\n").utf8), to: folder.result, overwrite: true)
    return (result, table(outcomes))
  }

  private func train(_ method: TrainRecipe.Method, into result: inout ResultObject) throws
    -> Outcome
  {
    let path = folder.checkpoint(method)
    let sink = ProgressSink(console, run: rowName(method))
    let isThere = FileManager.default.fileExists(atPath: path)
    let start = try isThere ? Checkpoint(reading: path) : nil
    let lineage = start?.notes[RunOrigin.note]
    let session = try run.session(
      events: sink, stopRequested: { Interruption.isRequested },
      save: { try store($0, from: lineage, at: path) })
    let trainer = try run.trainer(method, session: session)
    if let start {
      try trainer.restore(start)
      console.note(
        "\(rowName(method)): going on from stage \(start.progress.stage), "
          + "step \(start.progress.step)")
    }
    if let lineage { result.inputs[RunOrigin.note] = lineage }
    var values: [MetricValue]
    do {
      values = try trainer.run()
    } catch let stop as TrainingInterrupted {
      console.clearProgress()
      throw EarlyExit(
        status: .interrupted,
        message: "bulwark: interrupted in stage \(stop.stage) after step \(stop.step); "
          + "\(path) holds everything.\n"
          + "Continue with: \(folder.continuation)")
    }
    sink.finishStage()
    result.outputs["checkpoint_" + method.rawValue] = .string(path)
    if let trainer = trainer as? DBDTrainer {
      values += try flag(trainer, session: session, from: lineage, path: path, into: &result)
    }
    return Outcome(
      method: method, values: values, history: trainer.history, suspected: suspected(by: trainer),
      records: (trainer as? DBDTrainer)?.stageRecords ?? [:])
  }

  /// Writes the ranked list of a DBD run, and the flagged positions into its checkpoint.
  private func flag(
    _ trainer: DBDTrainer, session: TrainingSession, from lineage: JSONValue?, path: String,
    into result: inout ResultObject
  ) throws -> [MetricValue] {
    let ranking = try trainer.model.suspicion(
      of: run.data.train, run.data.normalization, session: session
    ).raising(trainer.quarantine)
    let flagged = ranking.flagged(
      count: nil, suspects: trainer.suspectedClasses, quarantine: trainer.quarantine)
    let files = try SuspicionListFile(
      ranking: ranking, flagged: flagged, dataset: run.data.train, origin: result.inputs
    ).write(base: folder.suspicion, overwrite: true)
    result.outputs["suspicion_json"] = .string(files.json)
    result.outputs["suspicion_hdf5"] = .string(files.hdf5)
    var checkpoint = try trainer.snapshot()
    checkpoint.indexSets["flagged"] = flagged.sorted()
    try store(checkpoint, from: lineage, at: path)
    return trainer.evidence(ranking)
      + SuspicionRanking.evidence(flagged: flagged, knownPoisons: run.data.knownPoisons)
  }

  private func store(_ checkpoint: Checkpoint, from lineage: JSONValue?, at path: String) throws {
    var complete = checkpoint
    if let lineage {
      var notes: [String: JSONValue] = [:]
      if case .object(let known) = complete.notes { notes = known }
      notes[RunOrigin.note] = lineage
      complete.notes = .object(notes)
    }
    complete.recipe = run.resolved.text
    complete.codeVersion = ToolVersion.current
    if let known = run.data.knownPoisons { complete.indexSets["poisoned"] = known }
    try complete.write(to: path, overwrite: true)
    if let stage = DBDTrainer.Stage(rawValue: complete.progress.stage), complete.progress.step == 0,
      [.head, .semiSupervision].contains(stage), path == folder.checkpoint(.dbd)
    {
      try complete.write(to: folder.checkpoint(before: stage), overwrite: true)
    }
  }

  private func write(_ attack: TrainRun.Attack, into result: inout ResultObject) throws {
    try attack.manifest.write(to: folder.file("poison.json"), overwrite: true)
    result.outputs["poison"] = .string(folder.file("poison.json"))
    if !attack.pictures.isEmpty {
      try PictureSheet.write(rows: attack.pictures, to: folder.file("pictures.png"))
      result.outputs["pictures"] = .string(folder.file("pictures.png"))
    }
  }

  private func rowName(_ method: TrainRecipe.Method) -> String {
    method == .standard && isAttacked ? "undefended" : method.rawValue
  }

  private func suspected(by trainer: any MethodTrainer) -> [String]? {
    guard let dbd = trainer as? DBDTrainer,
      dbd.looksForContradictions || !dbd.suspectedClasses.isEmpty
    else { return nil }
    return dbd.suspectedClasses.map { run.data.train.classNames[$0] }
  }

  /// The last value of every metric, stage by stage, and the suspected classes.
  private func details(_ outcome: Outcome) -> JSONValue {
    var stages: [String: [String: JSONValue]] = [:]
    for series in outcome.history.series {
      let parts = series.name.split(separator: "/", maxSplits: 1).map(String.init)
      guard parts.count == 2, let value = series.values.last, value.isFinite else { continue }
      stages[parts[0], default: [:]][parts[1]] = [
        "value": .double(value), "unit": .string(series.unit),
      ]
    }
    var details: [String: JSONValue] = ["stages": .object(stages.mapValues(JSONValue.object))]
    if !outcome.records.isEmpty { details["stage_records"] = .object(outcome.records) }
    if let suspected = outcome.suspected {
      details["suspected_classes"] = .array(suspected.map(JSONValue.string))
    }
    return .object(details)
  }

  private func table(_ outcomes: [Outcome]) -> Table {
    let definitions = Metric.all.filter { definition in
      outcomes.contains { $0.values.contains { $0.definition == definition } }
    }
    var table = Table(header: ["metric"] + outcomes.map { rowName($0.method) })
    table.rows = definitions.map { definition in
      [definition.name]
        + outcomes.map { outcome in
          outcome.values.first { $0.definition == definition }.map(spokenMetric) ?? "–"
        }
    }
    if outcomes.contains(where: { $0.suspected != nil }) {
      table.rows.append(
        ["suspected classes"]
          + outcomes.map { outcome in
            outcome.suspected.map { $0.isEmpty ? "none" : $0.joined(separator: ", ") } ?? "–"
          })
    }
    return table
  }
}
