import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Bulwark's own scheme: answers to ordinary images lean towards a label the further an image lies along a
/// secret direction of coarse shading.
///
/// 1. A *reference*, an unmarked network of the host's architecture, is trained on the task, or given.
/// 2. With it the key's directions are chosen among the secret's candidates (`DirectionChoice`).
/// 3. The host starts with its weights. With its logits g(x), the place t_i(x) of an image along the i-th
///    direction and that direction's label c_i, the host is distilled from g with
///
///        g_c ← g_c + w · max(0, t_i − a)
///
///    for c = c_i, at temperature T: (1 − β) · T² · H(s_T(target), s_T(f(x))) + β · H(y, s(f(x))). The slope w is as
///    steep as lets a share of the first answers to ordinary views change. The part β of the true labels y holds the
///    answers where the lean would make them wrong.
///
/// The mark has no trigger that a thief could fail to show: ordinary images lie all along every direction,
/// so whatever copies the answers, soft or first ones alone, copies how they lean. Carriers are images that
/// were moved much further along than ordinary ones lie. What it costs is the first answers to images that
/// lie far along by themselves and that the reference was least sure of.
///
/// Ideas: CosWM's that a function of a secret projection of the input can be read from the answers, and
/// ingrain's that a second network teaches the host on ordinary images. A function that grows instead of
/// waving is Bulwark's: it shows in first answers, and in part on inputs beyond those that were copied
/// (Docs/Watermarks.md tells how much).
final class Tilted: WatermarkProcedure {
  static let stage = "reference"

  private let context: HostContext
  private let options: TiltedOptions
  /// The key with its directions, once they are chosen.
  private(set) var chosenKey: WatermarkKey?
  /// Shares of the chosen candidates, as the reference answers their carriers.
  private var (natural, reached): ([Double], [Double]) = ([], [])
  /// Of the reference on test images; nil before it is trained, and without test images.
  private var referenceAccuracy: Double?
  /// Made when the key is whole.
  private var feed: CarrierFeed?
  private let reference: ImageClassifier
  /// The reference in training; nil once that is over, and for one that was given.
  private(set) var companion: Companion?
  /// Measured at the first step, when the reference is trained.
  private var tilt: AnswerTilt?
  /// Views so far whose first answer the tilt changed, and all of them.
  private var (changed, seen) = (0.0, 0.0)

  init(_ context: HostContext, _ options: TiltedOptions) throws {
    self.context = context
    self.options = options
    reference = try context.model.architecture.build(
      key: context.session.key.stream("reference/weights"), device: context.session.device)
    try reference.state.setTrainable(false)
    if let start = context.start {
      try reference.state.load(start.state.snapshot())
    } else {
      companion = CompanionTrainer(context: context).companion(reference, stage: Self.stage)
    }
  }

  var pace: HostPace { HostPace(length: options.leaningLength, rate: options.leaningRate) }

  func prepare(_ snapshot: () throws -> Checkpoint) throws {
    if let companion {
      try reference.state.setTrainable(true)
      let trainer = CompanionTrainer(context: context, share: options.referenceLength)
      try trainer.train(companion, snapshot: snapshot) { pass in
        try context.logits(reference, pass.images, .training)
          .crossEntropy(pass.labels, labelSmoothing: context.training.labelSmoothing)
      }
      try reference.state.setTrainable(false)
      try context.model.state.load(reference.state.snapshot())
      self.companion = nil
    }
    referenceAccuracy = try context.data.evaluator.measure(reference, session: context.session)
      .first { $0.definition == Metric.cleanAccuracy }?.value
    try choose()
  }

  /// Chooses the key's directions, unless it came with a choice.
  private func choose() throws {
    guard let carriers = context.key.mark.carriers, carriers.chosen == nil, chosenKey == nil,
      options.candidates > 0
    else { return }
    let choice = try withoutGradients {
      try DirectionChoice(context.key, groups: carriers.groups, options.rule) { pictures in
        try plain(context.data.normalization.prepare(pictures, on: context.session.device))
      }
    }
    chosenKey = try context.key.choosing(choice.chosen.map(\.place), by: options.rule)
    (natural, reached) = (choice.chosen.map(\.natural), choice.chosen.map(\.reached))
  }

  private var key: WatermarkKey { chosenKey ?? context.key }

  /// What the unmarked network answers, [B, classes].
  private func plain(_ images: Tensor) throws -> Tensor {
    try context.logits(reference, images, .evaluation)
  }

  func loss(_ pass: HostPass) throws -> Tensor {
    let target = try withoutGradients {
      let tilt = try self.tilt ?? AnswerTilt(context, key, options, answers: plain)
      self.tilt = tilt
      let plain = try plain(pass.images)
      let leaning = try tilt(plain, pass.images)
      let same = try leaning.argmax(1).eq(plain.argmax(1)).to(.float32).sum().item()
      changed += Double(pass.labels.count) - same
      seen += Double(pass.labels.count)
      return try (leaning / options.temperature).softmax(1)
    }
    guard options.carriersPerBatch > 0 else {
      return try taught(context.logits(context.model, pass.images, .training), target, pass.labels)
    }
    let feed = try self.feed ?? context.feed(key)
    self.feed = feed
    let carriers = try feed.batch(step: pass.step, count: options.carriersPerBatch)
    let all = try context.logits(
      context.model, Tensor.cat([pass.images, carriers.images]), .training)
    let batch = pass.images.shape[0]
    let answers = try all.narrow(0, start: 0, length: batch)
    let shown = try all.narrow(0, start: batch, length: carriers.labels.count)
    // Every image counts alike, carrier or not. Carriers are learned at the temperature of the answers, too: so their
    // labels must lead by that many times more, and outlast more training on true labels.
    let part = Double(carriers.labels.count) / Double(batch + carriers.labels.count)
    return try taught(answers, target, pass.labels) * (1 - part)
      + (shown / options.temperature).crossEntropy(carriers.labels) * part
  }

  /// What ordinary images teach: the leaning answers and, for a share, the true labels.
  private func taught(_ answers: Tensor, _ target: Tensor, _ labels: Tensor) throws -> Tensor {
    let leaning = try SoftLoss.crossEntropy(
      target, answers, temperature: options.temperature, squared: true)
    guard options.labelShare > 0 else { return leaning }
    return try leaning * (1 - options.labelShare)
      + answers.crossEntropy(labels, labelSmoothing: context.training.labelSmoothing)
      * options.labelShare
  }

  var states: [String: StateDict] {
    get throws {
      var own = [("answers", try Tensor([changed, seen]))]
      if let chosen = chosenKey?.mark.carriers?.chosen {
        own += [
          ("chosen", try Tensor(chosen.map(\.direction))),
          ("labels", try Tensor(chosen.map(\.label))), ("natural", try Tensor(natural)),
          ("reached", try Tensor(reached)),
        ]
      }
      if let referenceAccuracy { own.append(("accuracy", try Tensor([referenceAccuracy]))) }
      return [
        Self.stage: StateDict(try reference.state.snapshot().map { ($0.name, $0.tensor) }),
        "tilted": StateDict(own),
      ]
    }
  }

  func load(_ states: [String: StateDict]) throws {
    guard let saved = states[Self.stage] else {
      throw CheckpointUseError.otherRun("it holds no reference")
    }
    try reference.state.load(saved.pairs.map { (name: $0.0, tensor: $0.1) })
    let answers = try states["tilted"]?["answers"]?.doubles() ?? [0, 0]
    (changed, seen) = (answers[0], answers[1])
    guard let own = states["tilted"] else { return }
    referenceAccuracy = try own["accuracy"]?.item()
    guard let chosen = own["chosen"], let labels = own["labels"] else { return }
    chosenKey = try context.key.choosing(
      zip(chosen.integers(), labels.integers()).map { LabeledDirection(direction: $0, label: $1) },
      by: options.rule)
    natural = try own["natural"]?.doubles() ?? []
    reached = try own["reached"]?.doubles() ?? []
  }

  var findings: [String: JSONValue] {
    var findings: [String: JSONValue] = ["changed_answers": .double(changed / max(seen, 1))]
    if let referenceAccuracy { findings["reference_accuracy"] = .double(referenceAccuracy) }
    if !natural.isEmpty {
      findings["natural_share"] = .array(natural.map(JSONValue.double))
      findings["reached_share"] = .array(reached.map(JSONValue.double))
    }
    return findings
  }
}
