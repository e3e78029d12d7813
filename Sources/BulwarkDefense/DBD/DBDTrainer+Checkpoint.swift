import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Snapshots that a run goes on from bit for bit.
extension DBDTrainer {
  /// Everything needed to go on from here.
  public func snapshot() throws -> Checkpoint {
    var checkpoint = try model.checkpoint(data: data)
    let tensors = activeOptimizer.state
    checkpoint.optimizer = Checkpoint.Optimizer(
      tensors: StateDict(tensors.map { ($0.name, $0.tensor) }),
      settings: try JSONValue(encoding: options))
    checkpoint.progress = Checkpoint.Progress(stage: stage.rawValue, step: step, seed: session.seed)
    checkpoint.history = history.series
    checkpoint.states["loss_sum"] = StateDict([("value", try Tensor([lossSum]))])
    if stage == .selfSupervision {
      checkpoint.states["projection"] = StateDict(
        try projection.state.snapshot().map { ($0.name, $0.tensor) })
    }
    if let average, stage == .semiSupervision {
      checkpoint.states["average"] = StateDict(average.tensors.map { ($0.name, $0.tensor) })
    }
    for (name, classes) in [
      ("suspected_classes", suspectedClasses), ("contradicted_classes", contradictedClasses),
    ] where !classes.isEmpty {
      checkpoint.states[name] = StateDict([("value", try Tensor(classes))])
    }
    if !stageRecords.isEmpty { checkpoint.notes = ["stage_records": .object(stageRecords)] }
    for (name, samples) in [
      ("quarantine", quarantine), ("cliques", cliques), ("shortcuts", shortcuts),
    ] where !samples.isEmpty {
      checkpoint.indexSets[name] = samples
    }
    if let split { checkpoint.indexSets["labeled_pool"] = split.labeled }
    if let known = data.knownPoisons { checkpoint.indexSets["poisoned"] = known }
    return checkpoint
  }

  /// The optimizer whose state the next step needs. At the start of stage 3 that is stage 2's, whatever comes
  /// after it, so that another run can go on from there with either rule.
  private var activeOptimizer: any Optimizer {
    switch stage {
    case .selfSupervision: contrastiveOptimizer
    case .head: optimizer
    case .semiSupervision: step == 0 ? optimizer : fineTuner
    case .done: fineTuner
    }
  }

  /// Goes back to where a checkpoint of the same run was written. At the start of a stage the settings
  /// of that stage and of later ones may differ from those it was written with.
  ///
  /// - Throws: `CheckpointUseError.otherRun` when seed, options or data differ.
  public func restore(_ checkpoint: Checkpoint) throws {
    guard let saved = Stage(rawValue: checkpoint.progress.stage) else {
      throw CheckpointUseError.otherRun("its stage is '\(checkpoint.progress.stage)'")
    }
    guard checkpoint.progress.seed == session.seed else {
      throw CheckpointUseError.otherRun("its seed is \(checkpoint.progress.seed)")
    }
    let settings = checkpoint.optimizer?.settings
    let agrees =
      try settings == JSONValue(encoding: options)
      || (checkpoint.progress.step == 0 && agreesUpTo(saved, with: settings))
    guard agrees else { throw CheckpointUseError.otherRun("its DBD settings differ") }
    guard try checkpoint.fingerprints["train"] == data.train.fingerprint else {
      throw CheckpointUseError.otherRun("its training data have another fingerprint")
    }
    try model.load(checkpoint)
    let tensors = checkpoint.optimizer?.tensors.pairs.map { (name: $0.0, tensor: $0.1) } ?? []
    if saved == .selfSupervision, let weights = checkpoint.states["projection"] {
      try projection.state.load(weights.pairs.map { (name: $0.0, tensor: $0.1) })
    }
    if let saved = checkpoint.states["average"] {
      try average?.load(saved.pairs.map { (name: $0.0, tensor: $0.1) })
    }
    stage = saved
    step = checkpoint.progress.step
    try activeOptimizer.load(tensors)
    history = MetricHistory(checkpoint.history)
    lossSum = try checkpoint.states["loss_sum"]?["value"]?.item() ?? 0
    contradictedClasses =
      try checkpoint.states["contradicted_classes"]?["value"]?.integers() ?? []
    if case .object(let records)? = checkpoint.notes["stage_records"] { stageRecords = records }
    shortcuts = checkpoint.indexSets["shortcuts"] ?? []
    // Before there were shortcuts, what was in quarantine was a clique.
    cliques = checkpoint.indexSets["cliques"] ?? (shortcuts.isEmpty ? checkpoint.quarantine : [])
    split = checkpoint.indexSets["labeled_pool"].map {
      LossSplit(labeled: Set($0), total: data.train.count, excluding: Set(quarantine))
    }
  }

  /// Whether all stages before `stage` had the settings of this run. The head's step size is that of
  /// one Adam for stages 2 and 3 and may change between them. After the last stage there is nothing left
  /// that could differ.
  private func agreesUpTo(_ stage: Stage, with settings: JSONValue?) throws -> Bool {
    guard stage != .selfSupervision, stage != .done, case .object(let saved)? = settings,
      case .object(let own) = try JSONValue(encoding: options),
      saved["selfSupervision"] == own["selfSupervision"]
    else { return false }
    guard stage != .head else { return true }
    guard case .object(var savedHead)? = saved["head"], case .object(var ownHead)? = own["head"]
    else { return false }
    savedHead["learningRate"] = nil
    ownHead["learningRate"] = nil
    // Before there were shortcuts nobody looked for them.
    if savedHead["shortcutShare"] == nil, options.head.shortcutShare == 0 {
      ownHead["shortcutShare"] = nil
    }
    return savedHead == ownHead
  }
}

extension Checkpoint {
  /// The samples that a DBD run kept out of the pools of stages 2 and 3 (`CliqueSuspicion`, `ShortcutSuspicion`),
  /// ascending positions in its training set; empty for every other checkpoint.
  public var quarantine: [Int] { indexSets["quarantine"] ?? [] }

  /// The labels of the classes that a DBD run suspected of being an attack's target, ascending; empty
  /// for every other checkpoint.
  ///
  /// - Throws: `TensorError` when the record cannot be read.
  public func suspectedClasses() throws -> [Int] {
    try states["suspected_classes"]?["value"]?.integers() ?? []
  }
}
