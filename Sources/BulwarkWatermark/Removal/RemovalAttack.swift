import BulwarkNN
import BulwarkTraining

/// One way to rid a stolen model of its watermark: distillation, fine-tuning, pruning, ...
///
/// An attack knows nothing of schemes, keys or carriers: it has the model and the attacker's images.
public protocol RemovalAttack: Sendable {
  /// Name in tables, recipes and results: `distillation-half`, `ftal`, `prune-0.5`.
  var name: String { get }

  /// Makes the surrogate. The stolen model is left as it was.
  ///
  /// - Parameters:
  ///   - model: the stolen model.
  ///   - data: the attacker's images, never a carrier, and what the surrogate is measured on.
  ///   - session: device, precision, random key, events, a way to be stopped.
  /// - Returns: the surrogate, a model of its own.
  /// - Throws: `RecipeError.setting`; `TrainingInterrupted` when the session was asked to stop.
  func surrogate(of model: ImageClassifier, data: TrainingData, session: TrainingSession) throws
    -> ImageClassifier
}
