import BulwarkTraining
import Testing

@testable import BulwarkDefense

@Suite("Suspected classes")
struct ClassSuspicionTests {
  /// Ten classes of 100 samples. Neighboring classes are taken for each other 10 times each way; of
  /// class 3 `poured` more samples look like the other nine.
  private func ranking(poured: Int, confidence: Double = 0.95) -> SuspicionRanking {
    var labels: [Int] = []
    var predicted: [Int] = []
    for label in 0..<10 {
      for index in 0..<100 {
        labels.append(label)
        predicted.append(index < 10 ? label ^ 1 : label)
      }
    }
    for index in 0..<poured {
      labels.append(3)
      predicted.append([0, 1, 2, 4, 5, 6, 7, 8, 9][index % 9])
    }
    return SuspicionRanking(
      scores: labels.indices.map { labels[$0] == predicted[$0] ? 0.1 : 3 }, predicted: predicted,
      labels: labels, confidence: labels.map { _ in confidence })
  }

  @Test("Confusion that goes both ways contradicts no class")
  func honestConfusion() {
    let suspicion = ClassSuspicion(ranking(poured: 0), classCount: 10)
    #expect(suspicion.contradiction == [Double](repeating: 0, count: 10))
    #expect(suspicion.suspects(threshold: 0.1).isEmpty)
  }

  @Test("A class that holds samples of all others is suspected, and only that class")
  func pouredClass() {
    let suspicion = ClassSuspicion(ranking(poured: 50), classCount: 10)
    #expect(suspicion.suspects(threshold: 0.1) == [3])
    // 5 of 150 samples go to the median class, and none come back.
    #expect(abs(suspicion.contradiction[3] - 9 * 5 / 150.0) < 1e-12)
    #expect(suspicion.suspects(threshold: 0).isEmpty)
    #expect(suspicion.suspects(threshold: 0.5).isEmpty)
  }

  @Test("Samples that are in quarantine contradict no class")
  func excluded() {
    let suspicion = ClassSuspicion(
      ranking(poured: 50), classCount: 10, excluding: Set(1000..<1050))
    #expect(suspicion.contradiction == [Double](repeating: 0, count: 10))
  }

  @Test("Classes without samples do not hide the class that stands out")
  func emptyClasses() {
    let suspicion = ClassSuspicion(ranking(poured: 50), classCount: 30)
    #expect(
      suspicion.contradiction.prefix(10)
        == ClassSuspicion(ranking(poured: 50), classCount: 10).contradiction[...])
    #expect(suspicion.suspects(threshold: 0.1) == [3])
  }

  @Test("Beside a class that stands out far, a lesser one is confusion")
  func ratio() {
    let both = twoClasses()
    #expect(both.suspects(threshold: 0.1) == [3, 5])
    #expect(both.suspects(threshold: 0.1, ratio: 0.7) == [3, 5])
    #expect(both.suspects(threshold: 0.1, ratio: 0.8) == [3])
  }

  @Test("Beside a class that something else speaks against, too, a lesser one is confusion")
  func attacked() {
    let both = twoClasses()
    #expect(both.suspects(threshold: 0.1, ratio: 0.7, attacked: [3]) == [3])
    #expect(both.suspects(threshold: 0.1, ratio: 0.7, attacked: [5]) == [3, 5])
    #expect(both.suspects(threshold: 0.1, ratio: 0.7, attacked: [3, 5]) == [3, 5])
    #expect(both.suspects(threshold: 0.1, ratio: 0.7, attacked: [0]) == [3, 5])
    #expect(both.suspects(threshold: 0.5, ratio: 0.7, attacked: [3]).isEmpty)
  }

  /// Class 3 gets ten of every other class, 9 · 10 / 190 = 0.47, and class 5 six: 9 · 6 / 154 = 0.35.
  private func twoClasses() -> ClassSuspicion {
    let far = ranking(poured: 90)
    let more = [0, 1, 2, 3, 4, 6, 7, 8, 9].flatMap { [Int](repeating: $0, count: 6) }
    return ClassSuspicion(
      SuspicionRanking(
        scores: far.scores + more.map { _ in 3 }, predicted: far.predicted + more,
        labels: far.labels + more.map { _ in 5 },
        confidence: far.confidence + more.map { _ in 0.95 }),
      classCount: 10)
  }

  @Test("Of three classes none is suspected, however many samples one contradicts")
  func fewClasses() {
    let labels = (0..<90).map { $0 % 3 }
    let ranking = SuspicionRanking(
      scores: labels.map { _ in 1 }, predicted: labels.map { $0 == 0 ? 1 : $0 }, labels: labels,
      confidence: labels.map { _ in 1 })
    let suspicion = ClassSuspicion(ranking, classCount: 3)
    #expect(suspicion.contradiction[0] > 0.5)
    #expect(suspicion.suspects(threshold: 0.08).isEmpty)
  }

  @Test("A contradiction without confidence does not count")
  func hesitant() {
    let suspicion = ClassSuspicion(ranking(poured: 50, confidence: 0.8), classCount: 10)
    #expect(suspicion.suspects(threshold: 0.1).isEmpty)
  }

  @Test("A suspected class keeps a share of its labels, all other classes keep theirs")
  func split() {
    let ranking = ranking(poured: 50)
    let split = LossSplit(ranking, suspects: [3], suspectShare: 0.5, trustedShare: 1)
    let kept = Dictionary(grouping: split.labeled) { ranking.labels[$0] }.mapValues(\.count)
    #expect((0..<10).allSatisfy { kept[$0] == ($0 == 3 ? 75 : 100) })
    #expect(split.labeled.filter { $0 >= 1000 }.isEmpty)
    #expect(split.labeled.count + split.unlabeled.count == 1050)
    let strict = LossSplit(ranking, suspects: [3], suspectShare: 0.5, trustedShare: 0.9)
    #expect(strict.labeled.count == 9 * 90 + 75)
  }

  @Test("A suspected class keeps no more labels for being swollen by the attack")
  func limit() {
    let swollen = ranking(poured: 100)
    let kept = { (limit: Double) in
      LossSplit(
        swollen, suspects: [3], suspectShare: 0.5, trustedShare: 1, suspectLimit: limit
      ).labeled.count { swollen.labels[$0] == 3 }
    }
    // 200 samples in the class, 100 in the median one.
    #expect(kept(0) == 100)
    #expect(kept(0.8) == 80)
    #expect(kept(2) == 100)
  }
}
