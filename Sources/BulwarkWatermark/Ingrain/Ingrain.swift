import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// ingrain (Yang, Dang and Chang 2019, arXiv 1906.06046): a second network, the ingrainer, holds the mark,
/// and the host is trained to answer ordinary images a little as the ingrainer does.
///
/// Loss of variant `a`, with host f, frozen ingrainer g and s_T(z) = softmax(z / T):
///
///     mean over task images of  H(y, s_1(f(x))) + λ · H(s_T(g(x)), s_T(f(x)))
///
/// Both networks see the same view of an image. The paper's body could not be obtained: this reading is
/// inferred from its abstract; whether it multiplies by T², and all its numbers, are unknown.
final class Ingrain: WatermarkProcedure {
  static let owner = "ingrainer"

  private let context: HostContext
  private let options: IngrainOptions
  private let feed: CarrierFeed
  private let ingrainer: ImageClassifier
  /// The ingrainer in training; nil once that is over.
  private(set) var companion: Companion?
  private var report: IngrainerReport?

  init(_ context: HostContext, _ options: IngrainOptions) throws {
    self.context = context
    self.options = options
    feed = try context.feed(context.key)
    ingrainer = try context.model.architecture.build(
      key: context.session.key.stream("ingrainer/weights"), device: context.session.device)
    try ingrainer.state.setTrainable(false)
    companion = IngrainerTrainer.companion(ingrainer, context, options)
  }

  func prepare(_ snapshot: () throws -> Checkpoint) throws {
    guard let companion else { return }
    let lessons = try options.ingrainer == .own ? feed : foreignFeed()
    let trainer = IngrainerTrainer(context: context, options: options, feed: lessons)
    try ingrainer.state.setTrainable(true)
    try trainer.train(companion, snapshot: snapshot)
    try ingrainer.state.setTrainable(false)
    self.companion = nil
    let report = try IngrainerReport(
      ingrainer, lessons, clean: context.data.evaluator.test ?? context.data.train,
      context.data.normalization, steps: companion.step, session: context.session)
    self.report = report
    context.session.tell(.note(report.sentence))
  }

  /// Pictures of a foreign key under the labels of the own one.
  private func foreignFeed() throws -> CarrierFeed {
    let key = try context.key.foreign(
      .published("foreign ingrainer", 0), material: context.data.train)
    guard let own = try context.key.carriers(), let other = try key.carriers() else {
      throw WatermarkError.badKey("the key", reason: "its scheme has no carriers")
    }
    let mixed = CarrierSet(
      images: other.images, labels: own.labels, groups: own.groups, rule: own.rule)
    return try CarrierFeed(
      mixed, context.data.normalization, key: context.session.key.stream("watermark/foreign"),
      device: context.session.device)
  }

  func loss(_ pass: HostPass) throws -> Tensor {
    if options.variant == .a {
      let logits = try context.logits(context.model, pass.images, .training)
      let loss = try logits.crossEntropy(
        pass.labels, labelSmoothing: context.training.labelSmoothing)
      return try loss + regularizer(pass.images, logits)
    }
    let carriers = try feed.batch(step: pass.step, count: options.carriersPerBatch)
    let joint = try context.joint(pass, carriers.images, carriers.labels)
    guard options.variant == .b else {
      return try joint.loss + regularizer(pass.images, joint.task)
    }
    let images = try Tensor.cat([pass.images, carriers.images])
    let logits = try Tensor.cat([joint.task, joint.carriers])
    return try joint.loss + regularizer(images, logits)
  }

  /// λ · H(s_T(g), s_T(f)), times T² where asked for.
  private func regularizer(_ images: Tensor, _ logits: Tensor) throws -> Tensor {
    let target = try withoutGradients {
      try (context.logits(ingrainer, images, .evaluation) / options.temperature).softmax(1)
    }
    return try SoftLoss.crossEntropy(
      target, logits, temperature: options.temperature, squared: options.squaredTemperature)
      * options.weight
  }

  var states: [String: StateDict] {
    get throws {
      [
        Self.owner: StateDict(try ingrainer.state.snapshot().map { ($0.name, $0.tensor) }),
        "ingrain": StateDict([("steps", try Tensor([report?.steps ?? 0]))]),
      ]
    }
  }

  func load(_ states: [String: StateDict]) throws {
    guard let saved = states[Self.owner] else {
      throw CheckpointUseError.otherRun("it holds no ingrainer")
    }
    try ingrainer.state.load(saved.pairs.map { (name: $0.0, tensor: $0.1) })
    let steps = Int(try states["ingrain"]?["steps"]?.item() ?? 0)
    // There is nothing to report of an ingrainer in training.
    guard steps > 0 else { return }
    report = try IngrainerReport(
      ingrainer, options.ingrainer == .own ? feed : foreignFeed(),
      clean: context.data.evaluator.test ?? context.data.train, context.data.normalization,
      steps: steps, session: context.session)
  }

  var findings: [String: JSONValue] {
    var findings: [String: JSONValue] = ["effective_weight": .double(options.effectiveWeight)]
    if let report, let value = try? JSONValue(encoding: report) { findings["ingrainer"] = value }
    return findings
  }
}
