import BulwarkNN
import BulwarkTensor

/// An optimizer that leaves the weights outside a mask exactly where they were.
///
/// After every step of the optimizer below it, θ ← θ where the mask is true and θ_o elsewhere, and
/// the state (momentum, moments) becomes 0 outside. Masking the gradient alone, as the official code
/// did until February 2026, lets weight decay and momentum move the others; this does not move one
/// bit. For SGD and Adam, whose updates are element by element, nothing inside the mask changes.
/// Source: SalUn (Fan et al., ICLR 2024), θ_u = m ⊙ (Δθ + θ_o) + (1 − m) ⊙ θ_o (eq. 4).
final class MaskedOptimizer: Optimizer {
  private struct Entry {
    let name: String
    let tensor: Tensor
    let original: Tensor
    let mask: Tensor
  }

  private let base: any Optimizer
  private let entries: [Entry]
  private let zero: Tensor

  /// Freezes the weights of `parameters` that `mask` leaves out, at their present values.
  init(_ base: any Optimizer, parameters: [ParameterStore.Entry], mask: ParameterMask) throws {
    self.base = base
    entries = try parameters.compactMap { parameter in
      guard let allowed = mask.tensors[parameter.name] else { return nil }
      return Entry(
        name: parameter.name, tensor: parameter.tensor,
        original: try parameter.tensor.detach().clone(),
        mask: try allowed.to(parameter.tensor.device))
    }
    let device = parameters.first?.tensor.device ?? .cpu
    zero = try Tensor.zeros([], device: device)
  }

  var learningRate: Double {
    get { base.learningRate }
    set { base.learningRate = newValue }
  }

  var state: [(name: String, tensor: Tensor)] { base.state }

  func load(_ state: [(name: String, tensor: Tensor)]) throws { try base.load(state) }

  func step() throws {
    try base.step()
    let slots = base.state
    try withoutGradients {
      for entry in entries {
        try entry.tensor.copy(from: entry.tensor.where(entry.mask, else: entry.original))
        // The step counters of Adam have no shape and stay.
        for slot in slots
        where slot.name.hasPrefix(entry.name + ".") && slot.tensor.shape == entry.tensor.shape {
          try slot.tensor.copy(from: slot.tensor.where(entry.mask, else: zero))
        }
      }
    }
  }
}
