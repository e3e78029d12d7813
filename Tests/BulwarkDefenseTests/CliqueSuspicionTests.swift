import Foundation
import Testing

@testable import BulwarkDefense

@Suite("Cliques in the features")
struct CliqueSuspicionTests {
  /// Ten classes of 100 samples whose neighbors agree with 1 to 70 of 100 votes; in class 3 the first
  /// `size` samples have 98 of 100, and the rest at most `rest`.
  private func ranking(size: Int, rest: Double = 0.25) -> SuspicionRanking {
    var scores: [Double] = []
    var labels: [Int] = []
    for label in 0..<10 {
      for index in 0..<100 {
        let honest = 0.01 + 0.69 * Double(index) / 99
        let agreement = label != 3 ? honest : index < size ? 0.98 : honest / 0.7 * rest
        scores.append(-log(agreement))
        labels.append(label)
      }
    }
    return SuspicionRanking(scores: scores, predicted: labels, labels: labels)
  }

  @Test("A pure group in a class that is else like all others is found, and nothing beside it")
  func finds() {
    let found = CliqueSuspicion(ranking(size: 40), classCount: 10, share: 0.05)
    #expect(found.members == Array(300..<340))
    #expect(found.classes == [3])
  }

  @Test("Without such a group nothing is found")
  func honest() {
    let found = CliqueSuspicion(ranking(size: 0, rest: 0.7), classCount: 10, share: 0.05)
    #expect(found.members.isEmpty && found.classes.isEmpty)
  }

  @Test("A group smaller than the share does not count, and a share of 0 looks for none")
  func share() {
    #expect(CliqueSuspicion(ranking(size: 4), classCount: 10, share: 0.05).members.isEmpty)
    #expect(CliqueSuspicion(ranking(size: 40), classCount: 10, share: 0).members.isEmpty)
  }

  @Test("A class that is easy as a whole is no clique")
  func easyClass() {
    #expect(CliqueSuspicion(ranking(size: 100), classCount: 10, share: 0.05).members.isEmpty)
    // Its rest reaches up to the group: there is no gap.
    #expect(
      CliqueSuspicion(ranking(size: 60, rest: 0.85), classCount: 10, share: 0.05).members.isEmpty)
  }

  @Test("Samples in quarantine rank above all others and are in no pool")
  func quarantine() {
    let plain = ranking(size: 40)
    let raised = plain.raising([300, 301])
    #expect(Set(raised.descending.prefix(2)) == [300, 301])
    #expect(plain.raising([]).scores == plain.scores)
    for split in [
      LossSplit(plain, count: 500, perClass: false, excluding: [300, 301]),
      LossSplit(plain, count: 500, perClass: true, excluding: [300, 301]),
      LossSplit(plain, suspects: [3], suspectShare: 0.5, trustedShare: 1, excluding: [300, 301]),
    ] {
      #expect(!split.labeled.contains(300) && !split.unlabeled.contains(300))
      #expect(split.labeled.count + split.unlabeled.count == 998)
    }
  }
}
