import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Snapshots that a run goes on from bit for bit. They keep everything that the original checkpoint
/// held: history, index sets, fingerprints, further states and notes; the optimizer becomes the
/// method's own, and the fingerprint `unlearn_data` is that of the data which the run was given. No time
/// is stored.
extension Unlearner {
  /// Everything needed to go on from here; the unlearned checkpoint once the run is over, without the
  /// tensors that only further steps would need.
  public func snapshot() throws -> Checkpoint {
    var checkpoint = original
    checkpoint.weights = StateDict(try model.state.snapshot().map { ($0.name, $0.tensor) })
    checkpoint.optimizer = Checkpoint.Optimizer(
      tensors: StateDict(procedure?.optimizer?.state.map { ($0.name, $0.tensor) } ?? []),
      settings: try settings())
    checkpoint.progress = Checkpoint.Progress(
      stage: stage.rawValue, epoch: procedure?.pass(of: step).epoch ?? 0, step: step,
      seed: session.seed)
    let given = try input.train.fingerprint
    checkpoint.fingerprints["train"] = original.fingerprints["train"] ?? given
    checkpoint.fingerprints[Self.givenData] = given
    checkpoint.indexSets[Self.forgottenSet] = input.forgetSet.allForgotten
    checkpoint.history = history.series
    // What an earlier unlearning left under these names belongs to that run.
    for owner in Self.owners { checkpoint.states[owner] = nil }
    if stage != .done { checkpoint.states.merge(procedure?.states ?? [:]) { $1 } }
    checkpoint.states["unlearning"] = StateDict([("loss_sum", try Tensor([lossSum]))])
    if let mask { checkpoint.states["mask"] = mask.tensors }
    checkpoint.notes = try notes()
    return checkpoint
  }

  /// Role of the fingerprint of the data that a run was given, which need not be the original's.
  private static let givenData = "unlearn_data"
  /// Index set of all samples that are gone, from this unlearning and from those before it.
  private static let forgottenSet = "forget"

  /// The samples that earlier unlearning took out of a checkpoint, as positions in these data.
  ///
  /// - Parameters:
  ///   - checkpoint: of any kind.
  ///   - train: the data that are at hand.
  /// - Returns: ascending positions, none where nothing was unlearned; nil where something was, but from other
  ///   data, so that the positions say nothing.
  /// - Throws: `TensorError` from the fingerprint.
  public static func forgotten(by checkpoint: Checkpoint, of train: ImageDataset) throws -> [Int]? {
    guard let gone = checkpoint.indexSets[forgottenSet] else { return [] }
    guard try checkpoint.fingerprints[givenData] == train.fingerprint else { return nil }
    return gone
  }

  /// The names of the states that unlearning writes.
  private static let owners = [
    "unlearning", "mask", SoftThresholding.owner, BoundaryExpanding.owner,
  ]

  /// Method, settings, mask and forget set: what makes two runs the same.
  private func settings() throws -> JSONValue {
    [
      "method": .string(method.rawValue), "settings": try options.settings(of: method),
      "mask": try JSONValue(encoding: maskOptions), "mask_kind": .string(maskKind.rawValue),
      "forget_set": .string(input.forgetSet.digest), "original": .string(originalDigest),
    ]
  }

  /// The original's notes with what was done to it since, newest first.
  private func notes() throws -> JSONValue {
    var entry: [String: JSONValue] = [
      "run": try settings(), "forget_origin": .string(input.forgetSet.origin),
      "seed": .unsigned(session.seed),
    ]
    if let recipe = original.recipe { entry["original_recipe"] = .string(recipe) }
    if original.notes != .null { entry["original_notes"] = original.notes }
    return ["unlearning": .object(entry)]
  }

  /// Goes back to where a checkpoint of the same run was written.
  ///
  /// - Throws: `CheckpointUseError.otherRun` when seed, method, settings, forget set, original or data
  ///   differ.
  public func restore(_ checkpoint: Checkpoint) throws {
    guard let saved = Stage(rawValue: checkpoint.progress.stage) else {
      throw CheckpointUseError.otherRun("its stage is '\(checkpoint.progress.stage)'")
    }
    guard checkpoint.progress.seed == session.seed else {
      throw CheckpointUseError.otherRun("its seed is \(checkpoint.progress.seed)")
    }
    let (own, other) = (try settings(), checkpoint.optimizer?.settings)
    for key in ["method", "original", "forget_set", "settings", "mask", "mask_kind"]
    where own[key] != other?[key] {
      throw CheckpointUseError.otherRun("its \(key.replacing("_", with: " ")) differs")
    }
    guard try checkpoint.fingerprints[Self.givenData] == input.train.fingerprint else {
      throw CheckpointUseError.otherRun("its training data have another fingerprint")
    }
    stage = saved
    step = checkpoint.progress.step
    history = MetricHistory(checkpoint.history)
    lossSum = try checkpoint.states["unlearning"]?["loss_sum"]?.item() ?? 0
    mask = checkpoint.states["mask"].map(ParameterMask.init)
    // The masked optimizer freezes what it finds: the original weights must be there when it is made.
    let procedure = try options.procedure(method, context())
    try model.load(checkpoint)
    try procedure.optimizer?.load(
      checkpoint.optimizer?.tensors.pairs.map { (name: $0.0, tensor: $0.1) } ?? [])
    try procedure.load(states: checkpoint.states)
    self.procedure = procedure
  }
}
