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
  /// disputes. Where classes are suspected of being an attack's target, only samples of theirs: a
  /// disputed label elsewhere is no sign of poison. Samples in quarantine are flagged whatever the model says.
  func flagged(count: Int?, suspects: [Int], quarantine: [Int]) -> [Int] {
    let left = Set(quarantine)
    let candidates = descending.filter {
      left.contains($0) || suspects.isEmpty || suspects.contains(labels[$0])
    }
    if let count { return Array(candidates.prefix(count)) }
    return candidates.filter { left.contains($0) || predicted[$0] != labels[$0] }
  }
}
