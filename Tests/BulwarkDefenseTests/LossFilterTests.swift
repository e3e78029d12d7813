import BulwarkTraining
import Testing

@testable import BulwarkDefense

@Suite("The loss filter")
struct LossFilterTests {
  private let ranking = SuspicionRanking(
    scores: [0.1, 5, 0.2, 4, 0.3, 0.4], predicted: [0, 1, 0, 1, 1, 1], labels: [0, 0, 0, 0, 1, 1])
  private var half: LossSplit { LossSplit(ranking, count: 3, perClass: false) }

  @Test("The lowest losses keep their label, over all classes")
  func global() {
    let split = LossSplit(ranking, count: 3, perClass: false)
    #expect(split.labeled == [0, 2, 4])
    #expect(split.unlabeled == [1, 3, 5])
  }

  @Test("Per class, every class keeps the same share")
  func perClass() {
    let split = LossSplit(ranking, count: 3, perClass: true)
    #expect(split.labeled == [0, 2, 4])
    #expect(LossSplit(ranking, count: 4, perClass: true).labeled == [0, 2, 4])
  }

  @Test("What is excluded counts in no share: half of the rest keeps its label, class by class")
  func shareOfTheRest() {
    let many = SuspicionRanking(
      scores: (0..<12).map(Double.init), predicted: [Int](repeating: 0, count: 12),
      labels: (0..<12).map { $0 % 2 })
    let split = LossSplit(many, count: 4, perClass: true, excluding: [0, 2, 4, 6])
    #expect(split.labeled == [1, 3, 5, 8])
    #expect(split.unlabeled == [7, 9, 10, 11])
  }

  @Test(
    "A suspected class loses no more labels for what is excluded, and keeps no more than a cleared one"
  )
  func suspectedWithExcluded() {
    let many = SuspicionRanking(
      scores: (0..<40).map(Double.init), predicted: [Int](repeating: 0, count: 40),
      labels: (0..<40).map { $0 % 2 })
    func labels(excluding: [Int], limit: Double = 0) -> Int {
      LossSplit(
        many, suspects: [1], suspectShare: 0.5, trustedShare: 1, suspectLimit: limit,
        clearedShare: 0.9, excluding: Set(excluding)
      ).labeled.count { $0 % 2 == 1 }
    }
    // Half of 20 samples, whether or not 3 of them are excluded; nine tenths of the 10 left of 20 are 9.
    #expect(labels(excluding: []) == 10)
    #expect(labels(excluding: [1, 3, 5]) == 10)
    #expect(labels(excluding: Array(stride(from: 1, to: 21, by: 2))) == 9)
    #expect(labels(excluding: [1, 3, 5], limit: 0.4) == 8)
  }

  @Test("With the poisons on top, precision and AUC are 1 and the pool is clean")
  func perfect() {
    let values = ranking.evidence(knownPoisons: [1, 3], split: half)
    let byName = Dictionary(uniqueKeysWithValues: values.map { ($0.definition.name, $0.value) })
    #expect(byName["filter_precision"] == 1)
    #expect(byName["suspicion_auc"] == 1)
    #expect(byName["poisons_in_labeled_pool"] == 0)
  }

  @Test("With the poisons at the bottom, precision and AUC are 0 and the pool holds them")
  func reversed() {
    let values = ranking.evidence(knownPoisons: [0, 2], split: half)
    let byName = Dictionary(uniqueKeysWithValues: values.map { ($0.definition.name, $0.value) })
    #expect(byName["filter_precision"] == 0)
    #expect(byName["suspicion_auc"] == 0)
    #expect(byName["poisons_in_labeled_pool"] == 2)
  }

  @Test("Equal scores count one half in the AUC, wherever the poisons stand")
  func ties() {
    func area(_ scores: [Double], _ poisons: [Int]) -> Double? {
      SuspicionRanking(
        scores: scores, predicted: scores.map { _ in 0 }, labels: scores.map { _ in 0 }
      ).evidence(knownPoisons: poisons)
        .first { $0.definition == Metric.suspicionAUC }?.value
    }
    for poisons in [[0, 1], [2, 3], [0, 3]] { #expect(area([2, 2, 2, 2], poisons) == 0.5) }
    // Poison 3: above 1, level with 3, below 5. Poison 4: above 1 and 3, below 5.
    #expect(area([1, 3, 3, 4, 5], [2, 3]) == (1.5 + 2) / 6)
    #expect(area([1, 3, 3, 4, 5], [1, 3]) == (1.5 + 2) / 6)
  }

  @Test(
    "Of a list of flagged samples, precision and recall are told; nothing where poisons are unknown"
  )
  func flagged() {
    let values = SuspicionRanking.evidence(flagged: [4, 1, 0, 3], knownPoisons: [1, 2, 3])
    #expect(values.map(\.definition) == [Metric.flaggedPrecision, Metric.flaggedRecall])
    #expect(values.map(\.value) == [2.0 / 4, 2.0 / 3])
    #expect(SuspicionRanking.evidence(flagged: [], knownPoisons: [1]).map(\.value) == [0])
    #expect(SuspicionRanking.evidence(flagged: [1], knownPoisons: nil).isEmpty)
  }

  @Test("Without known poisons nothing is claimed")
  func unknown() {
    #expect(ranking.evidence(knownPoisons: nil, split: half).isEmpty)
  }

  @Test("Without pools nothing is said about them")
  func withoutPools() {
    let values = ranking.evidence(knownPoisons: [1, 3])
    #expect(values.map(\.definition) == [Metric.filterPrecision, Metric.suspicionAUC])
  }
}
