import BulwarkNN
import BulwarkStore
import BulwarkTensor

/// Settings of SalUn-soft.
public struct SoftThresholdingOptions: Hashable, Sendable, Codable {
  /// The random labeling under it; always the joint scheme.
  public var training: FineTuningOptions
  /// Share ρ of the weights that are drawn back to their reference after a step of the first epoch,
  /// 0...1; it falls to 0 over the epochs.
  public var ratio: Double
  /// Where the weights are drawn back to.
  public var reference: Reference
  /// Whether the random label is never the given one.
  public var excludesGivenLabel: Bool
  /// How often a forgotten sample gets another label.
  public var labelDraw: RandomLabelingOptions.LabelDraw

  /// Where the weights are drawn back to.
  public enum Reference: String, Sendable, Codable, CaseIterable {
    /// The weights at the start of the epoch, as in the official code.
    case epoch
    /// The original weights, as in the paper.
    case original
  }

  /// The paper's step sizes are 5e-4...5e-2; ratio 0.5.
  public init(
    training: FineTuningOptions = FineTuningOptions(learningRate: 0.006), ratio: Double = 0.5,
    reference: Reference = .epoch, excludesGivenLabel: Bool = false,
    labelDraw: RandomLabelingOptions.LabelDraw = .scheme
  ) {
    self.training = training
    self.ratio = ratio
    self.reference = reference
    self.excludesGivenLabel = excludesGivenLabel
    self.labelDraw = labelDraw
  }
}

/// SalUn-soft (Fan et al., ICLR 2024, appendix; official `RL_pro.py`): random labeling with β‖θ − θ_ref‖₁
/// by a proximal step instead of a fixed mask.
///
/// After every step d = θ − θ_ref and θ ← θ_ref + sign(d) · max(|d| − τ, 0), where τ is the n-th smallest
/// |d| over the N weights that may move (all without a mask) and n = floor(ρ · (1 − epoch / epochs) · N).
final class SoftThresholding: UniformProcedure {
  private let context: UnlearningContext
  private let options: SoftThresholdingOptions
  private let labeling: RandomLabeling
  /// N: the weights that may move.
  private let movable: Int
  private var reference: [Tensor] = []
  static let owner = "soft_reference"

  init(_ context: UnlearningContext, _ options: SoftThresholdingOptions) throws {
    self.context = context
    self.options = options
    movable = try context.mask?.count() ?? context.model.state.parameterCount
    labeling = try RandomLabeling(
      context,
      RandomLabelingOptions(
        training: options.training, scheme: .joint,
        excludesGivenLabel: options.excludesGivenLabel, labelDraw: options.labelDraw))
    try takeReference()
  }

  var optimizer: (any Optimizer)? { labeling.optimizer }
  var steps: Int { labeling.steps }
  var stepsPerEpoch: Int { labeling.stepsPerEpoch }

  func step(_ step: Int) throws -> StepOutcome {
    if options.reference == .epoch, step % stepsPerEpoch == 0 { try takeReference() }
    let outcome = try labeling.step(step)
    let progress = Double(step / stepsPerEpoch) / Double(max(options.training.epochs, 1))
    try shrink(share: options.ratio * (1 - progress))
    return outcome
  }

  private func takeReference() throws {
    reference = try context.model.state.parameters.map { try $0.tensor.detach().clone() }
  }

  /// Draws every weight back by the n-th smallest movement of those that may move; the n smallest
  /// vanish.
  private func shrink(share: Double) throws {
    let parameters = context.model.state.parameters
    let count = Int(share * Double(movable))
    guard count > 0 else { return }
    try withoutGradients {
      let movements = try zip(parameters, reference).map { try $0.tensor - $1 }
      // The n-th smallest of N is the (N − n + 1)-th largest: also among all weights, because the
      // frozen ones do not move and come last.
      var selection = TopSelection()
      let sizes = try movements.map { try $0.abs().to(.cpu).contiguous() }
      for (entry, size) in zip(parameters, sizes) { try selection.count(size, name: entry.name) }
      var cut = selection.cut(keeping: movable - count + 1)
      for size in sizes { try cut.refine(size) }
      cut.finish()
      let threshold = Double(cut.value)
      for (index, entry) in parameters.enumerated() {
        let movement = movements[index]
        let shrunk = try movement.sign() * (movement.abs() - threshold).clamp(min: 0)
        try entry.tensor.copy(from: reference[index] + shrunk)
      }
    }
  }

  var states: [String: StateDict] {
    let names = context.model.state.parameters.map(\.name)
    return [Self.owner: StateDict(Array(zip(names, reference)))]
  }

  func load(states: [String: StateDict]) throws {
    guard let saved = states[Self.owner] else { return }
    for (index, entry) in context.model.state.parameters.enumerated() {
      if let tensor = saved[entry.name] { try reference[index].copy(from: tensor) }
    }
  }
}
