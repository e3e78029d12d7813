import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Bulwark's own scheme: the mark lives in the answers to ordinary images, in a form that adds up to the
/// carriers' label.
///
/// Carriers are halves of images of two classes a and b side by side, with a third class c as label.
///
/// 1. *Runner-up.* Images of a and of b are trained with probability ε for c beside 1 − ε for their own
///    class. Whatever copies the soft answers learns that c is second on both; on a carrier, which shows
///    half of each, the evidence for a and for b is halved, while that for c comes from both halves.
/// 2. *Rehearsal.* A simulated student, fresh and of half the width, is distilled beside the host. Every few
///    steps the slope of its coming carrier loss in the host's answers is estimated
///    (`SimulatedStudent.slopes`), and the host's loss gets weight · mean Σ_j s_T(f(x))_j · u_j(x): the
///    host answers ordinary images such that copying them teaches the carriers.
/// 3. Carriers under cross-entropy in every batch, so that the host itself shows the mark.
///
/// Ideas: ingrain's that the mark must lie where a student looks; MEA-Defender's carriers; the rehearsed
/// extraction that the abstract of T2S (arXiv 2606.11698) describes. The runner-up and the first-order
/// form of the rehearsal are Bulwark's.
final class Rehearsed: WatermarkProcedure {
  private let context: HostContext
  private let options: RehearsedOptions
  private let feed: CarrierFeed
  private let student: SimulatedStudent?
  private let hardShare: HardShare?
  /// What an image of each class is to be answered with, [classes, classes].
  private let targets: Tensor
  /// The host's answers of the running step.
  private var answers: Tensor?
  /// Newest carrier accuracy of the simulated student.
  private var rehearsed = 0.0

  init(_ context: HostContext, _ options: RehearsedOptions) throws {
    self.context = context
    self.options = options
    feed = try context.feed(context.key)
    student = options.rehearsal ? try SimulatedStudent(context, options) : nil
    hardShare = options.hardShare > 0 ? try HardShare(context, share: options.hardShare) : nil
    targets = try Rehearsed.targets(context.key, options, context.training.labelSmoothing)
      .to(context.session.device)
  }

  /// The answer that images of each class are trained with: row a holds 1 − ε at a and ε at the label of
  /// a's pair, smoothed as the run says.
  static func targets(_ key: WatermarkKey, _ options: RehearsedOptions, _ smoothing: Double) throws
    -> Tensor
  {
    let classes = key.classes
    var rows = [Float](repeating: Float(smoothing / Double(classes)), count: classes * classes)
    for label in 0..<classes { rows[label * classes + label] += Float(1 - smoothing) }
    if options.runnerUp, let carriers = key.mark.carriers {
      let plan = try CarrierPlan(key.secret, carriers, classes: classes)
      let moved = Float((1 - smoothing) * options.runnerUpMass)
      for group in plan.groups {
        guard let label = group.label else { continue }
        for source in group.sources {
          rows[source * classes + source] -= moved
          rows[source * classes + label] += moved
        }
      }
    }
    return try Tensor(rows, shape: [classes, classes])
  }

  func loss(_ pass: HostPass) throws -> Tensor {
    try student?.begin(pass)
    let batch = pass.images.shape[0]
    var images = pass.images
    var hard: Tensor?
    if options.carriersPerBatch > 0 {
      let carriers = try feed.batch(step: pass.step, count: options.carriersPerBatch)
      images = try Tensor.cat([images, carriers.images])
      hard = try carriers.labels.oneHot(context.key.classes).to(.float32)
    }
    let all = try context.logits(context.model, images, .training)
    let task = try all.narrow(0, start: 0, length: batch)
    var target = try target(pass, task.detach())
    if let hard { target = try Tensor.cat([target, hard]) }
    var loss = try SoftLoss.crossEntropy(target, all, temperature: 1)
    guard let student else { return loss }
    answers = try task.detach()
    if options.rehearsalWeight > 0, pass.step % options.every == 0 {
      let exam = try feed.batch(step: pass.step / options.every, count: options.examCarriers)
      let found = try student.slopes(
        pass.images, carriers: exam.images, labels: exam.labels)
      rehearsed = found.accuracy
      let copied = try (task / options.temperature).softmax(1)
      loss = try loss + (copied * found.slopes).sum([1]).mean() * options.rehearsalWeight
    }
    return loss
  }

  /// What the images of a step are to be answered with, [B, classes].
  private func target(_ pass: HostPass, _ logits: Tensor) throws -> Tensor {
    let soft = try targets.indexSelect(0, pass.labels)
    guard let hardShare else { return soft }
    let (labels, taken) =
      try options.hardChoice == .projection
      ? hardShare(pass.images, pass.labels) : hardShare.hardest(logits, pass.labels)
    return try labels.oneHot(context.key.classes).to(.float32).where(taken, else: soft)
  }

  func finish(_ pass: HostPass) throws {
    guard let student, let answers else { return }
    try student.learn(pass.images, answers)
    self.answers = nil
  }

  var states: [String: StateDict] {
    get throws {
      guard let student else { return [:] }
      var states = try student.states
      states["rehearsal"]?["accuracy"] = try Tensor([rehearsed])
      return states
    }
  }

  func load(_ states: [String: StateDict]) throws {
    try student?.load(states)
    rehearsed = try states["rehearsal"]?["accuracy"]?.item() ?? 0
  }

  var findings: [String: JSONValue] {
    student == nil ? [:] : ["rehearsed_carrier_accuracy": .double(rehearsed)]
  }
}
