import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkUnlearning

@Suite("U-LiRA")
struct ULiRATests {
  @Test("Every audited sample is in exactly half of the shadows, and each pair splits them")
  func design() throws {
    let design = try ShadowDesign(count: 101, share: 0.2, shadows: 6, key: RandomKey(seed: 1))
    #expect(design.audited.count == 20)
    #expect((design.audited + design.base).sorted() == Array(0..<101))
    for sample in design.audited.indices {
      #expect(design.isMember.count { $0[sample] } == 3)
    }
    for pair in 0..<3 {
      #expect(zip(design.isMember[2 * pair], design.isMember[2 * pair + 1]).allSatisfy { $0 != $1 })
    }
    let task = design.task(2)
    #expect(task.train.count == 91)
    #expect(task.forget.count == 10)
    let forgotten = Set(task.forget.map { task.train[$0] })
    #expect(forgotten == Set(zip(design.audited, design.isMember[2]).filter(\.1).map(\.0)))
    #expect(throws: RecipeError.self) {
      try ShadowDesign(count: 101, share: 0.2, shadows: 5, key: RandomKey(seed: 1))
    }
  }

  /// Statistics of `shadows` shadows where membership shifts the mean by `shift` deviations.
  private func attack(shift: Double, shadows: Int = 16, draw: Int = 0) throws
    -> LikelihoodRatioAttack
  {
    let design = try ShadowDesign(
      count: 1000, share: 0.4, shadows: shadows, key: RandomKey(seed: 2))
    let noise = try RandomKey(seed: 3).step(draw).normal([shadows, 400]).doubles()
    let level = try RandomKey(seed: 4).normal([400]).doubles()
    var statistics: [[Double]] = []
    for shadow in 0..<shadows {
      var row: [Double] = []
      for sample in 0..<400 {
        let trace: Double = design.isMember[shadow][sample] ? shift : 0
        row.append(noise[shadow * 400 + sample] + 5 * level[sample] + trace)
      }
      statistics.append(row)
    }
    return LikelihoodRatioAttack(statistics: statistics, isMember: design.isMember)
  }

  @Test("Samples that were forgotten perfectly cannot be told from unseen ones")
  func perfect() throws {
    let attack = try attack(shift: 0)
    #expect(attack.unlearned.count == 3200 && attack.unseen.count == 3200)
    // Standard error of the area over 6,400 samples: 0.007.
    #expect(abs(attack.area - 0.5) < 0.03)
    #expect(attack.detected(atFalsePositiveRate: 0.01).truePositives < 80)
  }

  @Test("Perfect forgetting scores one half also with few shadows", arguments: [6, 8, 16])
  func unbiased(shadows: Int) throws {
    let areas = try (0..<20).map { draw in
      try attack(shift: 0, shadows: shadows, draw: draw).area
    }
    // Standard error of the mean of 20 areas over 200 · shadows samples each: at most 0.004.
    #expect(abs(areas.reduce(0, +) / 20 - 0.5) < 0.01)
  }

  @Test("A trace of membership is found although samples differ much more from each other")
  func trace() throws {
    let attack = try attack(shift: 3)
    // Two unit normals three apart: Φ(3 / √2) = 0.983; means of seven or eight shadows cost a little.
    #expect(attack.area > 0.96 && attack.area < 0.99)
    let found = attack.detected(atFalsePositiveRate: 0.01)
    #expect(found.falsePositives == 32)
    #expect(found.truePositives > 1500)
    #expect(attack.detected(atFalsePositiveRate: 0.001).falsePositives == 3)
  }

  @Test("The statistic is the log odds of the true class, also where softmax would round to 1")
  func statistic() throws {
    let logits = try Tensor([Float(1), 2, 3, 100, 0, 0], shape: [2, 3])
    let values = try LikelihoodRatioAttack.statistic(logits, labels: [2, 0])
    // 3 − log(e¹ + e²) and 100 − log 2.
    #expect(abs(values[0] - 0.68673831) < 1e-6)
    #expect(abs(values[1] - 99.30685282) < 1e-6)
  }
}
