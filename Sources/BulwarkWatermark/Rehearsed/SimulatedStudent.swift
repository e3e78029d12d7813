import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// A thief's network beside the host: fresh, narrower, and distilled step by step from the host's answers
/// to task images. It never sees a carrier in training.
final class SimulatedStudent {
  private(set) var model: ImageClassifier
  private var optimizer: SGD
  private let architecture: Architecture
  private let context: HostContext
  private let options: RehearsedOptions
  /// Number of fresh starts so far.
  private var generation = -1

  init(_ context: HostContext, _ options: RehearsedOptions) throws {
    self.context = context
    self.options = options
    var architecture = context.model.architecture
    architecture.width = max(
      1, Int((Double(architecture.width) * options.studentWidth).rounded()))
    self.architecture = architecture
    (model, optimizer) = try SimulatedStudent.fresh(architecture, context, options, 0)
    generation = 0
  }

  private static func fresh(
    _ architecture: Architecture, _ context: HostContext, _ options: RehearsedOptions,
    _ generation: Int
  ) throws -> (ImageClassifier, SGD) {
    let model = try architecture.build(
      key: context.session.key.stream("rehearsal/weights").step(generation),
      device: context.session.device)
    let optimizer = SGD(
      model.state.parameters, learningRate: options.studentLearningRate, momentum: 0.9,
      weightDecay: context.training.weightDecay)
    return (model, optimizer)
  }

  /// Starts afresh where the settings say so; called before anything else in a step.
  func begin(_ pass: HostPass) throws {
    let wanted = options.restartEpochs > 0 ? pass.epoch / options.restartEpochs : 0
    guard wanted != generation else { return }
    (model, optimizer) = try SimulatedStudent.fresh(architecture, context, options, wanted)
    generation = wanted
  }

  /// One step of distillation: T² · H(s_T(host), s_T(student)) on the host's own batch.
  ///
  /// - Parameters:
  ///   - images: [B, C, H, W], as the host saw them.
  ///   - answers: the host's logits, [B, classes], without gradient.
  /// - Throws: `TensorError`.
  func learn(_ images: Tensor, _ answers: Tensor) throws {
    let target = try (answers / options.temperature).softmax(1)
    let loss = try context.session.inPrecision {
      try SoftLoss.crossEntropy(
        target, context.logits(model, images, .training), temperature: options.temperature,
        squared: true)
    }
    try model.state.clearGradients()
    try loss.backward()
    try optimizer.step()
  }

  /// Which change of the soft answers to these images would teach the student the carriers.
  ///
  /// With θ the student's weights and g = ∇_θ of its carrier loss, one step of distillation on answers q
  /// changes the carrier loss, to first order, by η T² · mean_x Σ_j q_j(x) · D_g log p_j(x), where p is
  /// the student's answer at T and D_g the derivative along g. That is linear in q, so
  /// u_j(x) = D_g log p_j(x) is the slope of the student's coming carrier loss in the host's answer. It is
  /// taken as a central difference of two passes, (log p(θ + r g) − log p(θ − r g)) / 2r with
  /// r = 0.01 / |g| (the trick of DARTS, Liu et al. 2019, eq. 8): no second derivatives.
  ///
  /// - Parameters:
  ///   - images: [B, C, H, W], as the host saw them.
  ///   - carriers: [K, C, H, W], normalized.
  ///   - labels: [K], int64.
  /// - Returns: slopes u of root mean square 1, [B, classes], and the student's carrier accuracy.
  /// - Throws: `TensorError`.
  func slopes(_ images: Tensor, carriers: Tensor, labels: Tensor) throws -> (
    slopes: Tensor, accuracy: Double
  ) {
    let weights = model.state.parameters.map(\.tensor)
    let logits = try context.session.inPrecision {
      try context.logits(model, carriers, .evaluation)
    }
    let gradients = try withAutocast(false, on: context.session.device) {
      try logits.crossEntropy(labels).gradients(of: weights)
    }
    return try withoutGradients {
      let accuracy = try logits.argmax(1).eq(labels).to(.float32).mean().item()
      let norm = try gradients.reduce(0) { try $0 + $1.square().sum().item() }.squareRoot()
      let saved = try weights.map { try $0.detach().clone() }
      func answers(_ direction: Double) throws -> Tensor {
        let radius = direction * 0.01 / max(norm, 1e-12)
        for (weight, (base, slope)) in zip(weights, zip(saved, gradients)) {
          try weight.copy(from: base + slope * radius)
        }
        // The difference of two nearly equal answers: float32, whatever the run's precision.
        return try withAutocast(false, on: context.session.device) {
          try (model.logits(images, .evaluation) / options.temperature).logSoftmax(1)
        }
      }
      let difference = try answers(1) - answers(-1)
      for (weight, base) in zip(weights, saved) { try weight.copy(from: base) }
      let centered = try difference - difference.mean([1], keep: true)
      let scale = try centered.square().mean().item().squareRoot()
      return (try centered / max(scale, 1e-12), accuracy)
    }
  }

  /// Everything that a resumed run needs.
  var states: [String: StateDict] {
    get throws {
      [
        "rehearsal_student": StateDict(try model.state.snapshot().map { ($0.name, $0.tensor) }),
        "rehearsal_optimizer": StateDict(optimizer.state.map { ($0.name, $0.tensor) }),
        "rehearsal": StateDict([("generation", try Tensor([generation]))]),
      ]
    }
  }

  /// Takes over states saved before.
  func load(_ states: [String: StateDict]) throws {
    guard let weights = states["rehearsal_student"] else { return }
    generation = Int(try states["rehearsal"]?["generation"]?.item() ?? 0)
    (model, optimizer) = try SimulatedStudent.fresh(architecture, context, options, generation)
    try model.state.load(weights.pairs.map { (name: $0.0, tensor: $0.1) })
    try optimizer.load(
      states["rehearsal_optimizer"]?.pairs.map { (name: $0.0, tensor: $0.1) } ?? [])
  }
}
