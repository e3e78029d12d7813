import CTorch

/// LibTorch's fused optimizer kernels: one call updates a whole list of parameters in place.
public enum FusedSteps {
  /// One step of SGD with momentum (PyTorch's `_fused_sgd_`).
  ///
  /// - Parameters:
  ///   - parameters: changed in place.
  ///   - gradients: one a parameter, same shape.
  ///   - momenta: one a parameter, changed in place; empty without momentum.
  ///   - learningRate: step size.
  ///   - momentum: share of the past that is kept, 0...1.
  ///   - weightDecay: share of the weights that is added to the gradients.
  ///   - nesterov: Nesterov's form of momentum.
  ///   - isFirst: whether the momenta are unset and take the gradient as it is.
  /// - Throws: `TensorError` when shapes or devices differ.
  public static func sgd(
    parameters: [Tensor], gradients: [Tensor], momenta: [Tensor], learningRate: Double,
    momentum: Double, weightDecay: Double, nesterov: Bool, isFirst: Bool
  ) throws {
    let p = parameters.map(\.handle)
    let g = gradients.map(\.handle)
    let m = momenta.map(\.handle)
    try withExtendedLifetime((parameters, gradients, momenta)) {
      try Tensor.perform { api in
        if m.isEmpty {
          return api.fused_sgd(
            p, g, nil, Int32(p.count), learningRate, momentum, weightDecay, nesterov ? 1 : 0,
            isFirst ? 1 : 0)
        }
        return api.fused_sgd(
          p, g, m, Int32(p.count), learningRate, momentum, weightDecay, nesterov ? 1 : 0,
          isFirst ? 1 : 0)
      }
    }
  }

  /// One step of Adam, or of AdamW with `decoupled` (PyTorch's `_fused_adam_`, `_fused_adamw_`).
  ///
  /// - Parameters:
  ///   - parameters: changed in place.
  ///   - gradients: one a parameter, same shape.
  ///   - averages: first moments, changed in place.
  ///   - squares: second moments, changed in place.
  ///   - steps: one float32 counter a parameter, raised by one.
  ///   - learningRate: step size.
  ///   - beta1: share of the first moment that is kept.
  ///   - beta2: share of the second moment that is kept.
  ///   - epsilon: added to the root of the second moment.
  ///   - weightDecay: share of the weights.
  ///   - decoupled: AdamW: the decay acts on the weights and not on the gradients.
  /// - Throws: `TensorError` when shapes or devices differ.
  public static func adam(
    parameters: [Tensor], gradients: [Tensor], averages: [Tensor], squares: [Tensor],
    steps: [Tensor], learningRate: Double, beta1: Double, beta2: Double, epsilon: Double,
    weightDecay: Double, decoupled: Bool
  ) throws {
    let p = parameters.map(\.handle)
    let g = gradients.map(\.handle)
    let a = averages.map(\.handle)
    let s = squares.map(\.handle)
    let t = steps.map(\.handle)
    try withExtendedLifetime((parameters, gradients, averages, squares, steps)) {
      try Tensor.perform {
        $0.fused_adam(
          p, g, a, s, t, Int32(p.count), learningRate, beta1, beta2, epsilon, weightDecay,
          decoupled ? 1 : 0)
      }
    }
  }
}
