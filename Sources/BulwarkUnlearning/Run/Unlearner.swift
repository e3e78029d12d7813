import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// What the tool needs of every way to forget: the methods that start from a checkpoint, and
/// retraining.
public protocol UnlearningRun: AnyObject {
  /// The model that is changed, or trained anew.
  var model: ImageClassifier { get }
  /// Seconds that this process has spent on it.
  var cost: UnlearningCost { get }
  /// Runs to the end.
  ///
  /// - Throws: `TrainingInterrupted` after a checkpoint when the session was asked to stop.
  func run() throws
  /// Everything needed to go on from here, bit for bit; the result once the run is over.
  func snapshot() throws -> Checkpoint
  /// Goes back to where a checkpoint of the same run was written.
  func restore(_ checkpoint: Checkpoint) throws
}

/// What forgetting cost: the run-time efficiency (RTE) of the papers, mask included.
public struct UnlearningCost: Sendable, Hashable, Codable {
  /// Seconds for the saliency mask.
  public var maskSeconds: Double
  /// Seconds for everything else but measuring.
  public var updateSeconds: Double

  /// A cost.
  public init(maskSeconds: Double = 0, updateSeconds: Double = 0) {
    self.maskSeconds = maskSeconds
    self.updateSeconds = updateSeconds
  }

  /// Seconds altogether.
  public var seconds: Double { maskSeconds + updateSeconds }

  /// The costs of two parts of one run.
  public static func + (a: UnlearningCost, b: UnlearningCost) -> UnlearningCost {
    UnlearningCost(
      maskSeconds: a.maskSeconds + b.maskSeconds, updateSeconds: a.updateSeconds + b.updateSeconds)
  }
}

/// Unlearns a forget set from a checkpoint: mask, then the steps of a method.
public final class Unlearner: UnlearningRun {
  /// The stages, in order.
  public enum Stage: String, Sendable, Codable, CaseIterable {
    case mask
    case unlearn
    case done
  }

  /// The model that is changed.
  public let model: ImageClassifier
  /// Stage that runs next or now.
  public internal(set) var stage = Stage.mask
  /// Steps of stage `unlearn` that are done.
  public internal(set) var step = 0
  /// The weights that may move, once stage `mask` is over; nil for all.
  public internal(set) var mask: ParameterMask?
  /// Seconds that this process has spent.
  public internal(set) var cost = UnlearningCost()
  /// All numbers of the checkpoint's own history and of this run.
  public internal(set) var history: MetricHistory

  let method: UnlearningMethod
  let options: UnlearningOptions
  let maskOptions: MaskOptions
  /// Where the part of the network begins that may move; nil for the whole.
  let cut: String?
  let original: Checkpoint
  let originalDigest: String
  let input: UnlearningInput
  let session: TrainingSession
  var procedure: (any UnlearningProcedure)?
  var lossSum = 0.0

  /// Prepares a run; nothing is computed yet.
  ///
  /// - Parameters:
  ///   - method: any but `retrain`.
  ///   - options: of all methods; the method's own count.
  ///   - mask: which weights may move.
  ///   - original: what is unlearned from.
  ///   - originalDigest: names the original in the record.
  ///   - input: data and forget set.
  ///   - session: device, precision, random key, events, checkpoints.
  /// - Throws: `CheckpointUseError` when the checkpoint names no architecture; `StateMismatch`;
  ///   `RecipeError.setting`.
  public init(
    _ method: UnlearningMethod, options: UnlearningOptions, mask: MaskOptions = MaskOptions(),
    original: Checkpoint, originalDigest: String, input: UnlearningInput, session: TrainingSession
  ) throws {
    precondition(method.startsFromCheckpoint, "retraining has a type of its own")
    try options.validate()
    try mask.validate()
    self.method = method
    self.options = options
    maskOptions = mask
    self.original = original
    self.originalDigest = originalDigest
    self.input = input
    self.session = session
    model = try ImageClassifier.restored(from: original, device: session.device)
    cut = try mask.cut(in: model)
    history = MetricHistory(original.history)
    for entry in model.state.parameters where isFrozen(entry) {
      try entry.tensor.setRequiresGradient(false)
    }
  }

  /// The kind of mask that is used.
  public var maskKind: MaskOptions.Kind {
    maskOptions.kind(for: method)
  }

  /// Runs all stages that are left.
  ///
  /// - Throws: `TrainingInterrupted` after a checkpoint when the session was asked to stop;
  ///   `UnlearningError.notFinite` when the run diverges.
  public func run() throws {
    if stage == .mask {
      let start = ContinuousClock.now
      try findMask()
      stage = .unlearn
      cost.maskSeconds += start.duration(to: .now).inSeconds
      if mask != nil { try session.keep(snapshot) }
    }
    if stage == .unlearn {
      try unlearn()
      guard try model.hasFiniteState() else {
        throw UnlearningError.notFinite("weights", at: "after the last step")
      }
      stage = .done
      try session.keep(snapshot)
    }
  }

  private func findMask() throws {
    guard maskKind != .none || cut != nil else { return }
    session.tell(.stage(name: "saliency_mask", step: 0, steps: 1))
    let key = session.key.stream("mask")
    func named(_ entries: [ParameterStore.Entry]) -> [(name: String, tensor: Tensor)] {
      entries.map { (name: $0.name, tensor: $0.tensor) }
    }
    let movable = named(model.state.parameters.filter { !isFrozen($0) })
    // Only the shapes count for a random mask, and the weights have them too.
    let scores = try [.random, .none].contains(maskKind) ? movable : gradients(key)
    let chosen =
      try SaliencyMask.mask(
        maskKind, ratio: maskOptions.ratio, gradients: scores, key: key.stream("random"))
      ?? ParameterMask(keepingAll: movable)
    mask = try chosen.freezing(named(model.state.parameters.filter(isFrozen)))
  }

  /// Whether a weight lies before the part of the network that may move.
  /// The weights that a mask is chosen among: all, or those from `mask.from` on.
  public var movableWeights: Int {
    model.state.parameters.filter { !isFrozen($0) }.reduce(0) { $0 + $1.tensor.count }
  }

  private func isFrozen(_ entry: ParameterStore.Entry) -> Bool {
    cut.map { model.isBefore(entry.name, cut: $0) } ?? false
  }

  /// The summed gradients on the forget set, or on the part of it that the mask's settings ask for.
  private func gradients(_ key: RandomKey) throws -> [(name: String, tensor: Tensor)] {
    let context = context()
    let members = try maskOptions.members(input.forgetSet.forget, key: key.stream("samples"))
    return try SaliencyMask.gradients(
      model, input.train, members: members, batchSize: maskOptions.batchSize, key: key,
      session: session
    ) { pixels, batch in
      try context.images(pixels, augment: maskOptions.augment, key: key.stream("view").step(batch))
    }
  }

  private func unlearn() throws {
    let begin = ContinuousClock.now
    let earlier = cost.updateSeconds
    let procedure = try procedure ?? options.procedure(method, context())
    self.procedure = procedure
    session.tell(.stage(name: method.rawValue, step: step, steps: procedure.steps))
    while step < procedure.steps {
      let pass = procedure.pass(of: step)
      let outcome = try procedure.step(step)
      step += 1
      lossSum += outcome.loss
      if procedure.optimizer != nil, step == pass.steps.upperBound {
        let mean = lossSum / Double(pass.steps.count)
        record(MetricValue(Metric.trainLoss, mean, count: input.train.count))
        lossSum = 0
      }
      cost.updateSeconds = earlier + begin.duration(to: .now).inSeconds
      try session.finished(
        stage: method.rawValue, step: step, of: procedure.steps, samples: outcome.samples,
        snapshot: snapshot)
    }
  }

  private func record(_ value: MetricValue) {
    history.record(value, stage: "unlearn", step: step)
    session.tell(.metric(value, stage: method.rawValue, step: step))
  }

  func context() -> UnlearningContext {
    UnlearningContext(
      model: model, original: original.weights, input: input, session: session, mask: mask,
      cut: cut)
  }

  /// Makes sure that a checkpoint was trained on these data, as far as it says on which it was.
  ///
  /// - Throws: `UnlearningError.differentData`.
  public static func check(_ original: Checkpoint, trainedOn train: ImageDataset) throws {
    let found = try train.fingerprint
    guard let expected = original.fingerprints["train"], expected != found else { return }
    throw UnlearningError.differentData(expected: expected, found: found)
  }
}

extension Duration {
  /// The duration in seconds, with fractions.
  var inSeconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
