import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining
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

  @Test("Samples that stand above every other class are found, and up to one in ten beside them")
  func finds() {
    let found = ShortcutSuspicion(ranking(size: 40), share: 0.03)
    #expect(found.classes == [3])
    #expect(Set(360..<400).isSubset(of: found.members))
    // Below its 40 raised samples class 3 ends at 0.59; at 0.59 and above stand 41 of each other class.
    #expect(found.members.count == 40)
    // Where other classes reach up to the lowest of them, the threshold is where a tenth of the share does.
    var scores = ranking(size: 40).scores
    for index in 0..<4 { scores[index] = 5.8 }
    let plain = ranking(size: 40)
    let near = ShortcutSuspicion(
      SuspicionRanking(scores: scores, predicted: plain.labels, labels: plain.labels), share: 0.03)
    #expect(near.members.count == 40)
    scores[4] = 5.8
    let nearer = ShortcutSuspicion(
      SuspicionRanking(scores: scores, predicted: plain.labels, labels: plain.labels), share: 0.03)
    // Five of another class at 5.8 and above: the 20 at 5.8 and above are too few for that, those above it not.
    #expect(nearer.members == Array(381..<400))
  }

  @Test("Without such a group, or where it is smaller than the share, nothing is found")
  func honest() {
    #expect(ShortcutSuspicion(ranking(size: 0), share: 0.03).members.isEmpty)
    #expect(ShortcutSuspicion(ranking(size: 2), share: 0.03).members.isEmpty)
    #expect(ShortcutSuspicion(ranking(size: 3), share: 0.03).members.count == 3)
    #expect(ShortcutSuspicion(ranking(size: 40), share: 0).members.isEmpty)
    #expect(
      ShortcutSuspicion(ranking(size: 40, classes: 2, raised: [1]), share: 0.03).members.isEmpty)
  }

  @Test("Equal scores are found together or not at all")
  func ties() {
    let labels = (0..<400).map { $0 / 100 }
    var scores = [Double](repeating: 0, count: 400)
    #expect(
      ShortcutSuspicion(
        SuspicionRanking(scores: scores, predicted: labels, labels: labels), share: 0.03
      ).members.isEmpty)
    for index in 0..<30 { scores[index] = 1 }
    for index in 100..<103 { scores[index] = 1 }
    #expect(
      ShortcutSuspicion(
        SuspicionRanking(scores: scores, predicted: labels, labels: labels), share: 0.03
      ).members == Array(0..<30))
    scores[103] = 1
    #expect(
      ShortcutSuspicion(
        SuspicionRanking(scores: scores, predicted: labels, labels: labels), share: 0.03
      ).members.isEmpty)
  }

  /// Four classes of 100 images of noise; a white corner on the first 30 of class 1.
  private func cornered(_ corner: Int = 30) throws -> ImageDataset {
    let noise = try RandomKey(seed: 4).uniform([400, 3, 8, 8], from: 0, to: 255)
    var mask = [Float](repeating: 0, count: 400 * 3 * 64)
    for index in 100..<100 + corner {
      for channel in 0..<3 {
        for (row, column) in [(6, 6), (6, 7), (7, 6), (7, 7)] {
          mask[((index * 3 + channel) * 8 + row) * 8 + column] = 255
        }
      }
    }
    return try ImageDataset(
      images: noise.maximum(Tensor(mask, shape: [400, 3, 8, 8])).to(.uint8),
      labels: (0..<400).map { $0 / 100 }, classNames: ["a", "b", "c", "d"])
  }

  @Test(
    "The bare pixels give away a corner in noise, with true labels, and nothing where there is none"
  )
  func pixels() throws {
    func found(_ data: ImageDataset) throws -> ShortcutSuspicion {
      try ShortcutSuspicion(
        .byPixels(of: data, normalization: data.normalization(), key: RandomKey(seed: 1)),
        share: 0.03)
    }
    let shown = try found(cornered())
    #expect(shown.classes == [1])
    #expect(shown.members.filter((100..<130).contains).count > 27)
    #expect(shown.members.count < 35)
    #expect(try found(cornered(0)).members.isEmpty)
  }

  @Test(
    "A sample is judged by a model that has not seen it: pure noise is known no better than by chance"
  )
  func crossFitted() throws {
    let data = try cornered(0)
    let ranking = try SuspicionRanking.byPixels(
      of: data, normalization: data.normalization(), key: RandomKey(seed: 1))
    let right = zip(ranking.predicted, ranking.labels).count { $0 == $1 }
    // 100 of 400 by chance, deviation 8.7; a model that had seen the samples knows nearly all of them.
    #expect(right < 140)
    #expect(Set(ranking.scores).count == 400)
    let again = try SuspicionRanking.byPixels(
      of: data, normalization: data.normalization(), key: RandomKey(seed: 1))
    #expect(again.scores == ranking.scores)
  }
}
