import BulwarkNN
import BulwarkStore
import BulwarkTensor

/// Which weights an unlearning method may move: one truth value for each.
public struct ParameterMask: Sendable {
  /// One bool tensor for each trainable parameter, under its name and in its shape.
  public let tensors: StateDict

  /// Keeps exactly the `count` weights of the highest scores over all parameters together: one global
  /// ranking, no quota for a layer; of equal scores the earlier weight wins.
  ///
  /// - Parameters:
  ///   - count: in 0...number of weights.
  ///   - scores: one float32 tensor of finite numbers for each trainable parameter.
  /// - Throws: `UnlearningError.notFinite` naming the parameter.
  /// - Complexity: three passes over the weights.
  public init(keeping count: Int, of scores: [(name: String, tensor: Tensor)]) throws {
    var selection = TopSelection()
    for score in scores { try selection.count(score.tensor, name: score.name) }
    var cut = selection.cut(keeping: count)
    for score in scores { try cut.refine(score.tensor) }
    cut.finish()
    tensors = StateDict(try scores.map { ($0.name, try cut.mask(of: $0.tensor)) })
  }

  /// Keeps all of these weights.
  ///
  /// - Parameter parameters: any tensors of theirs; only names and shapes count.
  /// - Throws: `TensorError`.
  public init(keepingAll parameters: [(name: String, tensor: Tensor)]) throws {
    tensors = StateDict(
      try parameters.map { ($0.name, try Tensor.ones($0.tensor.shape).to(.bool)) })
  }

  /// The mask with further weights, none of which may move.
  ///
  /// - Parameter parameters: any tensors of theirs; only names and shapes count.
  /// - Returns: a mask of both.
  /// - Throws: `TensorError`.
  public func freezing(_ parameters: [(name: String, tensor: Tensor)]) throws -> ParameterMask {
    ParameterMask(
      StateDict(
        try parameters.map { ($0.name, try Tensor.zeros($0.tensor.shape).to(.bool)) }
          + tensors.map { ($0.name, $0.tensor) }))
  }

  /// Takes a mask from a checkpoint.
  public init(_ tensors: StateDict) { self.tensors = tensors }

  /// The complement.
  public func inverted() throws -> ParameterMask {
    ParameterMask(StateDict(try tensors.map { ($0.name, try $0.tensor.not()) }))
  }

  /// Number of weights that may move.
  public func count() throws -> Int {
    try tensors.reduce(0) { try $0 + Int($1.tensor.to(.int64).sum().item()) }
  }

  /// Number of weights.
  public var total: Int { tensors.elementCount }

  /// Largest absolute difference of two models over the weights outside the mask: 0 after exact
  /// freezing.
  ///
  /// - Parameters:
  ///   - before: weights under the mask's names.
  ///   - after: the same later.
  /// - Returns: a distance, 0 or more.
  /// - Throws: `TensorError`.
  public func largestMovementOutside(from before: StateDict, to after: StateDict) throws -> Double {
    var largest = 0.0
    for entry in tensors {
      guard let old = before[entry.name], let new = after[entry.name] else { continue }
      let movement = try (new - old).abs() * entry.tensor.not().to(.float32)
      largest = max(largest, try movement.max().item())
    }
    return largest
  }
}
