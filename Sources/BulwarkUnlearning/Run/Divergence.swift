import BulwarkTensor

/// Kullback-Leibler divergences of class probabilities.
enum Divergence {
  /// T² · mean over the batch of KL(softmax(teacher / T) ‖ softmax(student / T)), in nats (Hinton et
  /// al. 2015).
  ///
  /// - Parameters:
  ///   - teacher: logits [B, classes], float32.
  ///   - student: logits [B, classes], float32.
  ///   - temperature: T, above 0.
  /// - Returns: a scalar, 0 or more.
  /// - Throws: `TensorError`.
  static func batchMean(_ teacher: Tensor, _ student: Tensor, temperature: Double) throws -> Tensor
  {
    let target = try (teacher / temperature).logSoftmax(1)
    let answer = try (student / temperature).logSoftmax(1)
    let divergence = try (target.exp() * (target - answer)).sum([1]).mean()
    return try divergence * (temperature * temperature)
  }

  /// Mean over batch and classes of p · (log p − log q): a K-th of the mean over the batch.
  ///
  /// - Parameters:
  ///   - target: probabilities p, [B, classes], float32.
  ///   - student: logits of q, [B, classes], float32.
  ///   - temperature: of the student.
  /// - Returns: a scalar, 0 or more.
  /// - Throws: `TensorError`.
  static func elementMean(_ target: Tensor, _ student: Tensor, temperature: Double) throws -> Tensor
  {
    let answer = try (student / temperature).logSoftmax(1)
    return try (target * (target.clamp(min: 1e-12).log() - answer)).mean()
  }
}
