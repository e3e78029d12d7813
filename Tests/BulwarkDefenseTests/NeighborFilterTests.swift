import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkDefense

@Suite("Ranking by neighbors")
struct NeighborFilterTests {
  /// Dark and bright noise, with the labels of `wrong` exchanged.
  private func ranking(wrong: [Int]) throws -> SuspicionRanking {
    let count = 80
    var labels = (0..<count).map { $0 % 2 }
    let noise = try RandomKey(seed: 4).uniform([count, 1, 8, 8], from: 0, to: 60)
    let base = try Tensor(labels.map { Float($0) * 150 }, shape: [count, 1, 1, 1])
    for index in wrong { labels[index] = 1 - labels[index] }
    let set = try ImageDataset(
      images: (noise + base).to(.uint8), labels: labels, classNames: ["dark", "bright"])
    let normalization = Normalize(mean: [0.4], deviation: [0.25])
    let plain = AugmentationPipeline.plain(normalize: normalization)
    let trainer = try DBDTrainer(
      Architecture(.smallCNN, width: 4, classes: 2, channels: 1),
      data: TrainingData(
        train: set, evaluator: Evaluator(test: nil, triggered: nil, normalization: normalization)),
      options: DBDOptions(), views: DBDViews(contrastive: plain, weak: plain),
      session: TrainingSession(seed: 1))
    return try trainer.neighborRanking(epoch: 0, neighbors: 10)
  }

  @Test("Samples whose label differs from their neighbors' are the most suspicious")
  func findsWrongLabels() throws {
    let ranking = try ranking(wrong: [7, 30, 51])
    #expect(Set(ranking.descending.prefix(3)) == [7, 30, 51])
    #expect(ranking.predicted[7] == 1 && ranking.labels[7] == 0)
  }

  @Test("A sample does not vote for itself")
  func excludesItself() throws {
    // With its own vote, which has the largest weight, no share could come near 0.
    let ranking = try ranking(wrong: [7])
    #expect(ranking.scores[7] > 3)
    #expect(ranking.scores[8] < 0.3)
  }
}
