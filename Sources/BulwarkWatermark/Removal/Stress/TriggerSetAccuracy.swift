import BulwarkData
import BulwarkNN
import BulwarkTraining

/// The share of carriers that a suspect answers with the key's label: the statistic of every watermark
/// that is a trigger set, whoever embedded it.
public struct TriggerSetAccuracy: OwnershipScore {
  /// Carriers with the labels that the key gives them.
  public let carriers: ImageDataset
  /// How pixels become input.
  public let normalization: Normalize

  /// Carriers that are shown without random views.
  public init(carriers: ImageDataset, normalization: Normalize) {
    self.carriers = carriers
    self.normalization = normalization
  }

  /// `carrier_accuracy`.
  public var name: String { Metric.carrierAccuracy.name }

  /// Hits / carriers, in evaluation mode.
  public func score(_ suspect: ImageClassifier, session: TrainingSession) throws -> Double? {
    let answers = try suspect.predictions(of: carriers, normalization, session: session)
    return Double(zip(answers, carriers.labels).count { $0 == $1 }) / Double(carriers.count)
  }
}
