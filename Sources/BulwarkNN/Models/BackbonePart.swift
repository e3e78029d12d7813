import BulwarkTensor

/// A stretch of a backbone between two places where the network can be cut.
public struct BackbonePart {
  /// Name of its first layer or stage, as in the `state_dict`; a cut in front of it has the same name.
  public let name: String
  /// First components of the names of its tensors.
  let layers: [String]
  /// What it makes of the output of the part before, or, the first one, of images.
  let body: (Tensor, Mode) throws -> Tensor

  init(_ name: String, layers: [String]? = nil, body: @escaping (Tensor, Mode) throws -> Tensor) {
    self.name = name
    self.layers = layers ?? [name]
    self.body = body
  }

  /// Whether a tensor of the `state_dict` is one of the part's.
  func owns(_ tensor: String) -> Bool {
    layers.contains { tensor == $0 || tensor.hasPrefix($0 + ".") }
  }
}

/// A network in two halves: what lies before a cut can be computed once and kept while the rest is trained.
extension ImageClassifier {
  /// Where the network can be cut: before each of its parts but the first.
  public var cuts: [String] { backbone.parts.dropFirst().map(\.name) }

  /// Whether a tensor belongs to what lies before a cut.
  ///
  /// - Parameters:
  ///   - tensor: a name of the `state_dict`.
  ///   - cut: one of `cuts`.
  /// - Returns: false for the head, too.
  public func isBefore(_ tensor: String, cut: String) -> Bool {
    backbone.parts.prefix { $0.name != cut }.contains { $0.owns(tensor) }
  }

  /// What arrives at a cut, in evaluation mode: no statistics move.
  ///
  /// - Parameters:
  ///   - images: [N, C, H, W], float32, normalized.
  ///   - cut: one of `cuts`.
  /// - Returns: [N, channels, rows, columns].
  /// - Throws: `TensorError`.
  public func activations(_ images: Tensor, before cut: String) throws -> Tensor {
    try backbone.parts.prefix { $0.name != cut }.reduce(images.channelsLast()) {
      try $1.body($0, .evaluation)
    }
  }

  /// Features of what arrived at a cut; `head` makes logits of them.
  ///
  /// - Parameters:
  ///   - activations: [N, channels, rows, columns], as `activations(_:before:)` gives them.
  ///   - cut: one of `cuts`.
  ///   - mode: of the parts behind the cut.
  /// - Returns: [N, D].
  /// - Throws: `TensorError`.
  public func features(activations: Tensor, from cut: String, _ mode: Mode) throws -> Tensor {
    let maps = try backbone.parts.drop { $0.name != cut }.reduce(activations.channelsLast()) {
      try $1.body($0, mode)
    }
    return try backbone.pooled(maps)
  }
}
