import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkDefense

@Suite("Shortcuts in the pixels")
struct ShortcutSuspicionTests {
  /// Ten classes of 100 samples with scores of 0.00 to 0.99; in class 3 the last `size` samples have 5 more.
  private func ranking(size: Int, classes: Int = 10, raised: Set<Int> = [3]) -> SuspicionRanking {
    var scores: [Double] = []
    var labels: [Int] = []
    for label in 0..<classes {
      for index in 0..<100 {
        let stands = raised.contains(label) && index >= 100 - size
        scores.append(Double(index) / 100 + (stands ? 5 : 0))
        labels.append(label)
      }
    }
    return SuspicionRanking(scores: scores, predicted: labels, labels: labels)
  }

  private func found(_ ranking: SuspicionRanking, share: Double = 0.03) -> [Int] {
    ShortcutSuspicion(ranking, share: share).members
  }

  @Test("Samples that stand above every other class are found")
  func finds() {
    let suspicion = ShortcutSuspicion(ranking(size: 40), share: 0.03)
    #expect(suspicion.classes == [3])
    // Below its 40 raised samples class 3 ends at 0.59, where 40 of each other class stand as high.
    #expect(suspicion.members == Array(360..<400))
  }

  @Test("Of another class, a tenth of the share may stand as high, and no more")
  func falseShare() {
    let plain = ranking(size: 40)
    func with(_ count: Int) -> [Int] {
      var scores = plain.scores
      for index in 0..<count { scores[index] = 5.8 }
      return found(
        SuspicionRanking(scores: scores, predicted: plain.labels, labels: plain.labels))
    }
    #expect(with(4) == Array(360..<400))
    // Five: nobody at 5.8 or below counts any more, the 19 above do.
    #expect(with(5) == Array(381..<400))
  }

  @Test("Without such a group, or where it is smaller than the share or than ten, nothing is found")
  func honest() {
    #expect(found(ranking(size: 0)).isEmpty)
    #expect(found(ranking(size: 9)).isEmpty)
    #expect(found(ranking(size: 10)).count == 10)
    #expect(found(ranking(size: 19), share: 0.2).isEmpty)
    #expect(found(ranking(size: 20), share: 0.2).count == 20)
    #expect(found(ranking(size: 40), share: 0).isEmpty)
  }

  @Test("A class that is easy as a whole is not found")
  func easyClass() {
    #expect(found(ranking(size: 75)).count == 75)
    #expect(found(ranking(size: 76)).isEmpty)
    #expect(found(ranking(size: 100)).isEmpty)
  }

  @Test("Of two classes with patterns that are known alike each hides the other")
  func twoTargets() {
    #expect(found(ranking(size: 40, raised: [3, 5])).isEmpty)
  }

  @Test("It takes three classes; one of fewer than ten samples neither counts nor hides another")
  func fewClasses() {
    #expect(found(ranking(size: 40, classes: 2, raised: [1])).isEmpty)
    #expect(found(ranking(size: 40, classes: 3, raised: [1])).count == 40)
    func adding(_ count: Int, to ranking: SuspicionRanking) -> [Int] {
      let label = (ranking.labels.max() ?? 0) + 1
      let labels = ranking.labels + [Int](repeating: label, count: count)
      let scores = ranking.scores + [Double](repeating: 9, count: count)
      return found(SuspicionRanking(scores: scores, predicted: labels, labels: labels))
    }
    let two = ranking(size: 40, classes: 2, raised: [1])
    #expect(adding(9, to: two).isEmpty)
    let three = ranking(size: 40, classes: 3, raised: [1])
    #expect(adding(9, to: three).count == 40)
    // Ten that all stand above hide class 1, and are easy as a whole.
    #expect(adding(10, to: three).isEmpty)
  }

  @Test("Equal scores are found together or not at all")
  func ties() {
    let labels = (0..<400).map { $0 / 100 }
    var scores = [Double](repeating: 0, count: 400)
    func now() -> [Int] {
      found(SuspicionRanking(scores: scores, predicted: labels, labels: labels))
    }
    #expect(now().isEmpty)
    for index in 0..<30 { scores[index] = 1 }
    for index in 100..<103 { scores[index] = 1 }
    #expect(now() == Array(0..<30))
    scores[103] = 1
    #expect(now().isEmpty)
  }

  /// Four classes of 100 images of noise; a white corner on the first 30 of class 1.
  private func cornered(_ corner: Int = 30) throws -> ImageDataset {
    let noise = try RandomKey(seed: 4).uniform([400, 3, 8, 8], from: 0, to: 255)
    let mask = try Tensor.zeros([400, 3, 8, 8])
    try mask.narrow(0, start: 100, length: corner).narrow(2, start: 6, length: 2)
      .narrow(3, start: 6, length: 2).fill(255)
    return try ImageDataset(
      images: noise.maximum(mask).to(.uint8),
      labels: (0..<400).map { $0 / 100 }, classNames: ["a", "b", "c", "d"])
  }

  private func ranking(_ data: ImageDataset) throws -> SuspicionRanking {
    try .byPixels(of: data, normalization: data.normalization(), key: RandomKey(seed: 1))
  }

  @Test(
    "Bare pixels give away a corner in noise, with true labels, and nothing where there is none")
  func pixels() throws {
    let shown = try ShortcutSuspicion(ranking(cornered()), share: 0.03)
    #expect(shown.classes == [1])
    #expect(shown.members.filter((100..<130).contains).count > 27)
    #expect(shown.members.count < 35)
    #expect(try ShortcutSuspicion(ranking(cornered(0)), share: 0.03).members.isEmpty)
  }

  @Test(
    "A sample is judged by a model that has not seen it: noise is known no better than by chance")
  func crossFitted() throws {
    let noise = try ranking(cornered(0))
    let right = zip(noise.predicted, noise.labels).count { $0 == $1 }
    // 100 of 400 by chance, deviation 8.7; a model that had seen the samples knows nearly all of them.
    #expect(right < 140)
    #expect(Set(noise.scores).count > 390)
    #expect(try ranking(cornered(0)).scores == noise.scores)
  }

  @Test("A score is the log odds of the given label, less the lower quartile of its class")
  func scores() throws {
    // Black images of class 0 and white ones of class 1, 60 each, and one of each among the other's.
    let shades = (0..<120).map { ($0 < 60) == ($0 % 60 > 0) ? Float(0) : 255 }
    let data = try ImageDataset(
      images: Tensor(shades.flatMap { [Float](repeating: $0, count: 16) }, shape: [120, 1, 4, 4])
        .to(.uint8),
      labels: (0..<120).map { $0 / 60 }, classNames: ["black", "white"])
    let ranking = try ranking(data)
    for label in 0..<2 {
      let own = Array(ranking.scores[60 * label..<60 * label + 60])
      #expect(own.sorted()[14] == 0)
      #expect(own[0] < own[1...].min()! - 2, "the sample that is like the other class")
    }
    for (index, predicted) in ranking.predicted.enumerated() {
      #expect(predicted == (index % 60 > 0 ? index / 60 : 1 - index / 60))
    }
  }

  @Test("Data of one class, of one sample or with an empty class are ranked, too")
  func small() throws {
    for counts in [[30], [1], [1, 1], [2, 1, 0]] {
      let count = counts.reduce(0, +)
      let data = try ImageDataset(
        images: RandomKey(seed: 2).uniform([count, 1, 4, 4], from: 0, to: 255).to(.uint8),
        labels: counts.enumerated().flatMap { [Int](repeating: $0, count: $1) },
        classNames: counts.indices.map { "class \($0)" })
      let ranking = try ranking(data)
      #expect(ranking.scores.count == count && ranking.scores.allSatisfy(\.isFinite))
      #expect(ShortcutSuspicion(ranking, share: 0.03).members.isEmpty)
    }
  }

  @Test("A class that is large, and nothing else, is not found")
  func uneven() throws {
    let noise = try RandomKey(seed: 4).uniform([1000, 3, 32, 32], from: 0, to: 255).to(.uint8)
    let data = try ImageDataset(
      images: noise, labels: (0..<1000).map { $0 < 900 ? 0 : 1 + ($0 - 900) / 50 },
      classNames: ["a", "b", "c"])
    #expect(try ShortcutSuspicion(ranking(data), share: 0.03).members.isEmpty)
  }
}
