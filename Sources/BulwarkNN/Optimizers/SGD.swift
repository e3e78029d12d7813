import BulwarkTensor

/// Stochastic gradient descent with momentum and coupled weight decay, as PyTorch's `SGD`.
public final class SGD: Optimizer {
  private let parameters: [ParameterStore.Entry]
  private var momenta: [Int: Tensor] = [:]
  /// Step size of the next update.
  public var learningRate: Double
  let momentum: Double
  let weightDecay: Double
  let nesterov: Bool

  /// Updates `parameters`: v ← μ·v + (g + λ·w), w ← w − η·v.
  public init(
    _ parameters: [ParameterStore.Entry], learningRate: Double, momentum: Double = 0.9,
    weightDecay: Double = 0, nesterov: Bool = false
  ) {
    self.parameters = parameters
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.nesterov = nesterov
  }

  /// Updates every parameter that has a gradient.
  public func step() throws {
    var fresh: [(Int, Tensor)] = []
    var known: [(Int, Tensor)] = []
    for (index, entry) in parameters.enumerated() {
      guard let gradient = try entry.tensor.gradient() else { continue }
      if momenta[index] == nil {
        fresh.append((index, gradient))
      } else {
        known.append((index, gradient))
      }
    }
    try update(fresh, isFirst: true)
    try update(known, isFirst: false)
  }

  private func update(_ group: [(Int, Tensor)], isFirst: Bool) throws {
    guard !group.isEmpty else { return }
    if isFirst && momentum != 0 {
      for (index, gradient) in group { momenta[index] = try gradient.clone() }
    }
    try FusedSteps.sgd(
      parameters: group.map { parameters[$0.0].tensor }, gradients: group.map(\.1),
      momenta: group.compactMap { momenta[$0.0] }, learningRate: learningRate,
      momentum: momentum, weightDecay: weightDecay, nesterov: nesterov, isFirst: isFirst)
  }

  /// `<parameter>.momentum_buffer` tensors.
  public var state: [(name: String, tensor: Tensor)] {
    momenta.keys.sorted().compactMap { index in
      momenta[index].map { ("\(parameters[index].name).momentum_buffer", $0) }
    }
  }

  /// Takes over state saved by `state`.
  public func load(_ state: [(name: String, tensor: Tensor)]) throws {
    let saved = Dictionary(state.map { ($0.name, $0.tensor) }, uniquingKeysWith: { a, _ in a })
    for (index, entry) in parameters.enumerated() {
      guard let tensor = saved["\(entry.name).momentum_buffer"] else { continue }
      momenta[index] = try tensor.clone().matchingLayout(of: entry.tensor)
    }
  }
}

extension Tensor {
  /// A copy on the device of `other` and in its memory layout, as optimizer state needs to be.
  func matchingLayout(of other: Tensor) throws -> Tensor {
    let placed = try to(other.device)
    return rank == 4 ? try placed.channelsLast() : placed
  }
}
