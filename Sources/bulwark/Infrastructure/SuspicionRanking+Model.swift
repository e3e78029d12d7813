import BulwarkData
import BulwarkDefense
import BulwarkNN
import BulwarkTensor
import BulwarkTraining

extension ImageClassifier {
  /// How suspicious the model finds every sample: symmetric cross-entropy against the given label,
  /// evaluation mode, no augmentation.
  func suspicion(
    of dataset: ImageDataset, _ normalization: Normalize, session: TrainingSession
  ) throws -> SuspicionRanking {
    let logits = try logits(of: dataset, normalization, session: session)
    return SuspicionRanking(
      scores: try SymmetricCrossEntropy().perSample(logits, Tensor(dataset.labels)).doubles(),
      predicted: try logits.argmax(1).integers(), labels: dataset.labels)
  }
}

extension SuspicionRanking {
  /// The flagged positions, most suspicious first: the first `count`, or all whose label the model
  /// disputes.
  func flagged(count: Int?) -> [Int] {
    if let count { return Array(descending.prefix(count)) }
    return descending.filter { predicted[$0] != labels[$0] }
  }
}
