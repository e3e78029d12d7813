import BulwarkTensor

/// The loss of the distillation attack (Hinton et al. 2015; `papers/ingrain.md`, section 2.1).
///
/// α · T² · KL(s_T(teacher) ‖ s_T(student)) + (1 − α) · CE(student, y), both **batch means**: the sum
/// over classes, averaged over the batch. (The SoK toolbox averages over classes too, which makes its
/// loss C times smaller.)
struct DistillationLoss {
  /// T, above 0.
  var temperature: Double
  /// α, 0...1.
  var alpha: Double
  /// Whether the divergence is multiplied by T².
  var scalesByTemperature: Bool
  /// Whether the teacher's most probable class is all that is imitated; T has no meaning then.
  var usesHardLabels: Bool

  /// The loss of a batch.
  ///
  /// - Parameters:
  ///   - teacher: logits [B, classes], float32, without gradients.
  ///   - student: logits [B, classes], float32.
  ///   - labels: true labels [B], int64; used for α < 1 only.
  /// - Returns: a scalar in nats.
  /// - Throws: `TensorError`.
  func callAsFunction(teacher: Tensor, student: Tensor, labels: Tensor) throws -> Tensor {
    let imitation = try imitation(teacher: teacher, student: student)
    guard alpha < 1 else { return imitation }
    return try alpha * imitation + (1 - alpha) * student.crossEntropy(labels)
  }

  private func imitation(teacher: Tensor, student: Tensor) throws -> Tensor {
    if usesHardLabels { return try student.crossEntropy(teacher.argmax(1)) }
    let target = try (teacher / temperature).logSoftmax(1)
    let answer = try (student / temperature).logSoftmax(1)
    let divergence = try (target.exp() * (target - answer)).sum([1]).mean()
    return scalesByTemperature ? try divergence * (temperature * temperature) : divergence
  }
}
