import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

extension SurrogateTrainer.Task {
  /// Plain fine-tuning: all weights, cross-entropy against the labels of the attacker's images, fresh
  /// random views. Attacks replace the parts in which they differ.
  ///
  /// - Parameters:
  ///   - surrogate: what is trained.
  ///   - attack: whose name and settings go into checkpoints.
  ///   - digest: of the stolen model's weights.
  ///   - training: the loop.
  ///   - images: the attacker's.
  ///   - environment: random views.
  ///   - normalization: how pixels become input.
  ///   - session: device, precision, random key.
  /// - Returns: a task that can be run as it is.
  /// - Throws: `TensorError`.
  static func fineTuning(
    _ surrogate: ImageClassifier, by attack: some DescribedRemovalAttack, digest: String,
    training: AttackTraining, images: ImageDataset, environment: RemovalEnvironment,
    normalization: Normalize, session: TrainingSession
  ) throws -> SurrogateTrainer.Task {
    SurrogateTrainer.Task(
      attack: attack.name, training: training, images: images,
      moving: surrogate.state.parameters,
      identity: [
        "settings": attack.settings, "model": .string(digest),
        "environment": try environment.identity(images),
      ],
      input: { batch, _, step in
        try environment.input(
          batch.images, normalization, augment: training.augment,
          key: session.key.stream("removal/view").step(step), on: session.device)
      },
      loss: { step in
        try session.inPrecision { try surrogate.logits(step.input, .training).to(.float32) }
          .crossEntropy(step.labels)
      })
  }
}
