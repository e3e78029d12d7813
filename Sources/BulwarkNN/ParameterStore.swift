import BulwarkTensor

/// Whether layers learn from the batch or use what they have learned.
public enum Mode: Sendable {
  /// Batch statistics; running statistics move.
  case training
  /// Running statistics; nothing moves.
  case evaluation
}

/// The tensors of a model under dotted PyTorch `state_dict` names, in order of creation.
///
/// Layers register their tensors here when they are made, so the names that a checkpoint holds are
/// written down in one place: the path a layer is given.
public final class ParameterStore {
  /// One named tensor.
  public struct Entry: Sendable {
    /// Dotted name, for example `layer1.0.conv1.weight`.
    public let name: String
    /// The tensor itself, shared with its layer.
    public let tensor: Tensor
    /// Whether an optimizer changes it (false for running statistics).
    public let isTrainable: Bool
  }

  /// All tensors, in order of creation.
  public private(set) var entries: [Entry] = []
  private var positions: [String: Int] = [:]
  /// Where the tensors live.
  public let device: Device
  let key: RandomKey
  /// What its layers compute with.
  let arithmetic = LayerArithmetic()

  /// An empty store whose initial values are drawn from `key`.
  public init(key: RandomKey, device: Device = .cpu) {
    self.key = key
    self.device = device
  }

  /// The start of all paths.
  public var root: ParameterPath { ParameterPath(store: self, prefix: "") }

  /// The trainable tensors, in order.
  public var parameters: [Entry] { entries.filter(\.isTrainable) }

  /// The tensor of this name.
  public subscript(name: String) -> Tensor? { positions[name].map { entries[$0].tensor } }

  /// Number of trainable elements.
  public var parameterCount: Int { parameters.reduce(0) { $0 + $1.tensor.count } }

  func add(_ name: String, _ tensor: Tensor, isTrainable: Bool) throws -> Tensor {
    precondition(positions[name] == nil, "two layers were given the path \(name)")
    let placed = try tensor.to(device)
    if isTrainable { try placed.setRequiresGradient(true) }
    positions[name] = entries.count
    entries.append(Entry(name: name, tensor: placed, isTrainable: isTrainable))
    return placed
  }

  /// Drops all gradients: they are undefined afterwards, so that an optimizer skips what the next
  /// loss does not reach.
  public func clearGradients() throws {
    for entry in entries where entry.isTrainable { try entry.tensor.clearGradient() }
  }

  /// Turns gradients of all trainable tensors on or off.
  public func setTrainable(_ value: Bool) throws {
    for entry in entries where entry.isTrainable { try entry.tensor.setRequiresGradient(value) }
  }

  /// Copies of all tensors on the CPU, row-major.
  public func snapshot() throws -> [(name: String, tensor: Tensor)] {
    try withoutGradients {
      try entries.map { ($0.name, try $0.tensor.detach().to(.cpu).contiguous().clone()) }
    }
  }

  /// Overwrites the tensors with those of the same names.
  ///
  /// - Throws: `StateMismatch` naming every tensor that is missing, left over or of another shape;
  ///   nothing is changed then.
  public func load(_ weights: [(name: String, tensor: Tensor)]) throws {
    let mismatch = StateMismatch(
      expected: entries.map { ($0.name, $0.tensor.shape) },
      found: weights.map { ($0.name, $0.tensor.shape) })
    guard mismatch.isEmpty else { throw mismatch }
    for (name, tensor) in weights { try self[name]?.copy(from: tensor) }
  }
}

/// A place in a `ParameterStore`: dotted names are built with `/`.
public struct ParameterPath {
  let store: ParameterStore
  let prefix: String

  /// The path of a child.
  public static func / (path: ParameterPath, name: String) -> ParameterPath {
    ParameterPath(
      store: path.store, prefix: path.prefix.isEmpty ? name : "\(path.prefix).\(name)")
  }

  /// The path of the i-th child.
  public static func / (path: ParameterPath, index: Int) -> ParameterPath {
    path / String(index)
  }

  /// Registers a trainable tensor.
  public func parameter(_ shape: [Int], _ initializer: Initializer) throws -> Tensor {
    try store.add(prefix, initializer.make(shape, key: store.key.stream(prefix)), isTrainable: true)
  }

  /// Registers a tensor that no optimizer changes.
  public func buffer(_ tensor: Tensor) throws -> Tensor {
    try store.add(prefix, tensor, isTrainable: false)
  }
}
