import BulwarkNN
import BulwarkTraining

/// A statistic of one (model, key) pair that grows with the evidence that the model was derived from
/// the key's owner: the share of carriers answered as the key says, of bits read right, ...
///
/// Null models and foreign keys are scored by the same statistic; the verdict comes from ranks among
/// them, whatever the statistic.
public protocol OwnershipScore {
  /// Name in tables and results: `carrier_accuracy`, `bit_accuracy`, ...
  var name: String { get }

  /// Scores a suspect.
  ///
  /// - Parameters:
  ///   - suspect: any classifier of the same classes; never changed.
  ///   - session: device and precision.
  /// - Returns: the statistic, higher for derived models; nil where the suspect has no place for the
  ///   mark (another architecture under a white-box scheme).
  /// - Throws: `TensorError` when the carriers do not fit the suspect.
  func score(_ suspect: ImageClassifier, session: TrainingSession) throws -> Double?
}
