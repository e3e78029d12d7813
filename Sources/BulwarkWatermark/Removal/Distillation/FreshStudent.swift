import BulwarkNN
import BulwarkTensor

/// Proof that a student starts from nothing of its teacher's: a copied network is not the attack.
enum FreshStudent {
  /// The student's tensors that are a tensor of the teacher's, or equal one of the same shape.
  ///
  /// Tensors whose elements are all alike carry nothing and are compared by identity only: the scale 1
  /// and shift 0 that every batch normalization begins with. Cost: one comparison for each pair of
  /// tensors of one shape.
  ///
  /// - Throws: `TensorError`.
  static func overlap(_ student: ImageClassifier, _ teacher: ImageClassifier) throws -> [String] {
    try withoutGradients {
      try student.state.parameters.filter { entry in
        try teacher.state.parameters.contains { other in
          if entry.tensor === other.tensor { return true }
          guard entry.tensor.shape == other.tensor.shape else { return false }
          let own = try entry.tensor.to(.cpu)
          let isPlain = try own.max().item() == own.min().item()
          return try !isPlain && own.ne(other.tensor.to(.cpu)).to(.float32).max().item() == 0
        }
      }.map(\.name)
    }
  }

  /// Fresh weights from a stream of their own, which no training of a host draws from: the same seed
  /// does not give the owner's first weights.
  ///
  /// - Throws: `RemovalError.notFresh` where these weights are the teacher's all the same; `TensorError`.
  static func make(
    _ architecture: Architecture, for teacher: ImageClassifier, key: RandomKey, device: Device
  ) throws -> ImageClassifier {
    let student = try architecture.build(key: key.stream("removal/student"), device: device)
    let shared = try overlap(student, teacher)
    guard shared.isEmpty else { throw RemovalError.notFresh(shared) }
    return student
  }
}
