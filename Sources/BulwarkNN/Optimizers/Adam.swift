import BulwarkTensor

/// Adam (Kingma & Ba 2015) and AdamW (Loshchilov & Hutter 2019), as PyTorch's.
public final class Adam: Optimizer {
  private let parameters: [ParameterStore.Entry]
  private var averages: [Int: Tensor] = [:]
  private var squares: [Int: Tensor] = [:]
  private var steps: [Int: Tensor] = [:]
  /// Step size of the next update.
  public var learningRate: Double
  let beta1: Double
  let beta2: Double
  let epsilon: Double
  let weightDecay: Double
  let isDecoupled: Bool

  /// Updates `parameters`; `isDecoupled` makes it AdamW.
  public init(
    _ parameters: [ParameterStore.Entry], learningRate: Double, beta1: Double = 0.9,
    beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0,
    isDecoupled: Bool = false
  ) {
    self.parameters = parameters
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.isDecoupled = isDecoupled
  }

  /// Updates every parameter that has a gradient; a parameter's step counter counts its own updates.
  public func step() throws {
    var group: [(Int, Tensor)] = []
    for (index, entry) in parameters.enumerated() {
      guard let gradient = try entry.tensor.gradient() else { continue }
      if steps[index] == nil {
        averages[index] = try gradient * 0
        squares[index] = try gradient * 0
        steps[index] = try Tensor.zeros([], device: entry.tensor.device)
      }
      group.append((index, gradient))
    }
    guard !group.isEmpty else { return }
    try FusedSteps.adam(
      parameters: group.map { parameters[$0.0].tensor }, gradients: group.map(\.1),
      averages: group.compactMap { averages[$0.0] }, squares: group.compactMap { squares[$0.0] },
      steps: group.compactMap { steps[$0.0] }, learningRate: learningRate, beta1: beta1,
      beta2: beta2, epsilon: epsilon, weightDecay: weightDecay, decoupled: isDecoupled)
  }

  /// `<parameter>.exp_avg`, `.exp_avg_sq` and `.step` tensors.
  public var state: [(name: String, tensor: Tensor)] {
    steps.keys.sorted().flatMap { index in
      [("exp_avg", averages[index]), ("exp_avg_sq", squares[index]), ("step", steps[index])]
        .compactMap { slot, tensor in tensor.map { ("\(parameters[index].name).\(slot)", $0) } }
    }
  }

  /// Takes over state saved by `state`.
  public func load(_ state: [(name: String, tensor: Tensor)]) throws {
    let saved = Dictionary(state.map { ($0.name, $0.tensor) }, uniquingKeysWith: { a, _ in a })
    for (index, entry) in parameters.enumerated() {
      guard let average = saved["\(entry.name).exp_avg"],
        let square = saved["\(entry.name).exp_avg_sq"], let step = saved["\(entry.name).step"]
      else { continue }
      averages[index] = try average.clone().matchingLayout(of: entry.tensor)
      squares[index] = try square.clone().matchingLayout(of: entry.tensor)
      steps[index] = try step.clone().to(entry.tensor.device)
    }
  }
}
