import BulwarkTensor

/// Exponential moving average of a model's tensors.
public final class WeightAverage {
  /// Share of the past that is kept at every update.
  public let decay: Double
  /// The averages under the model's names.
  public private(set) var tensors: [(name: String, tensor: Tensor)]

  /// Starts at the current weights.
  public init(_ state: ParameterStore, decay: Double) throws {
    self.decay = decay
    tensors = try state.entries.map { ($0.name, try $0.tensor.detach().clone()) }
  }

  /// Forgets the past: the averages are the current weights.
  public func restart(from state: ParameterStore) throws {
    for (entry, average) in zip(state.entries, tensors) {
      try average.tensor.copy(from: entry.tensor)
    }
  }

  /// a ← decay · a + (1 − decay) · w for every floating-point tensor; counters are copied.
  public func update(from state: ParameterStore) throws {
    for (entry, average) in zip(state.entries, tensors) {
      if average.tensor.dtype.isFloatingPoint {
        try average.tensor.lerp(towards: entry.tensor, weight: 1 - decay)
      } else {
        try average.tensor.copy(from: entry.tensor)
      }
    }
  }

  /// Overwrites the model's weights with the averages.
  public func putInto(_ state: ParameterStore) throws { try state.load(tensors) }

  /// Puts the averages into the model and the model's weights here; a second call undoes it.
  public func exchange(with state: ParameterStore) throws {
    for (entry, average) in zip(state.entries, tensors) {
      let own = try entry.tensor.detach().clone()
      try entry.tensor.copy(from: average.tensor)
      try average.tensor.copy(from: own)
    }
  }

  /// Takes over averages saved before.
  public func load(_ saved: [(name: String, tensor: Tensor)]) throws {
    let byName = Dictionary(saved.map { ($0.name, $0.tensor) }, uniquingKeysWith: { a, _ in a })
    for average in tensors {
      if let tensor = byName[average.name] { try average.tensor.copy(from: tensor) }
    }
  }
}
