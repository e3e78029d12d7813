import BulwarkStore
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

  /// Statistics of `shadows` shadows where membership shifts the mean by `shift` deviations, in every second
  /// pair by `shift` times `swing` more and in the others by as much less.
  private func statistics(
    shift: Double, swing: Double = 0, shadows: Int = 16, draw: Int = 0
  ) throws -> ShadowStatistics {
    let design = try ShadowDesign(
      count: 1000, share: 0.4, shadows: shadows, key: RandomKey(seed: 2))
    let noise = try RandomKey(seed: 3).step(draw).normal([shadows, 400]).doubles()
    let level = try RandomKey(seed: 4).normal([400]).doubles()
    var statistics: [[Double]] = []
    for shadow in 0..<shadows {
      var row: [Double] = []
      for sample in 0..<400 {
        let strength = shadow / 2 % 2 == 0 ? 1 + swing : 1 - swing
        let trace: Double = design.isMember[shadow][sample] ? shift * strength : 0
        row.append(noise[shadow * 400 + sample] + 5 * level[sample] + trace)
      }
      statistics.append(row)
    }
    return ShadowStatistics(statistics, isMember: design.isMember)
  }

  private func attack(shift: Double, shadows: Int = 16, draw: Int = 0) throws
    -> LikelihoodRatioAttack
  {
    try statistics(shift: shift, shadows: shadows, draw: draw).attack
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

  @Test(
    "The error is that of the shadows: what differs from pair to pair counts in it, and it is no smaller"
  )
  func error() throws {
    let drawn = try (0..<12).map { try statistics(shift: 1, shadows: 8, draw: $0).attack.area }
    let mean = drawn.reduce(0, +) / 12
    let spread = (drawn.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 11).squareRoot()
    let steady = try statistics(shift: 1, shadows: 8)
    let error = try #require(
      ShadowStatistics.error(steady.withoutEachPair(\.attack.area)))
    // Four pairs estimate a deviation roughly.
    #expect(error > spread / 3 && error < spread * 3, "\(error), of draws \(spread)")
    let swinging = try statistics(shift: 1, swing: 0.9, shadows: 8)
    let larger = try #require(
      ShadowStatistics.error(swinging.withoutEachPair(\.attack.area)))
    #expect(larger > 3 * error, "\(larger), steady \(error)")
    // 1, 2 and 6 have the mean 3 and squares of 14: √(2/3 · 14).
    #expect(abs(try #require(ShadowStatistics.error([1, 2, 6])) - (28.0 / 3).squareRoot()) < 1e-12)
    // Without one of three pairs nothing can be attacked.
    #expect(try statistics(shift: 1, shadows: 6).withoutEachPair(\.attack.area).isEmpty)
  }

  @Test("A finding tells a trace from none, its sign, and how it differs from another method's")
  func findings() throws {
    let key = RandomKey(seed: 9)
    let none = try AuditFinding("retrain", statistics(shift: 0, shadows: 8), key: key)
    let remembered = try AuditFinding("ft", statistics(shift: 0.5, shadows: 8), key: key)
    let overdone = try AuditFinding("salun", statistics(shift: -0.5, shadows: 8), key: key)
    #expect(none.p > 0.05)
    #expect(
      remembered.sentence.contains("more surely") && overdone.sentence.contains("less surely"))
    #expect(remembered.p == 0.01 && overdone.p == 0.01)
    #expect(abs(remembered.trace.value - 0.5) < 0.1 && abs(overdone.trace.value + 0.5) < 0.1)
    // The attack finds both alike.
    #expect(remembered.area.value > 0.55 && overdone.area.value > 0.55)
    let difference = try #require(remembered.difference(to: none))
    #expect(abs(difference.value - (remembered.area.value - none.area.value)) < 1e-12)
    #expect(difference.value > 3 * difference.error)
    #expect(none.difference(to: none) == nil)
    let few = try AuditFinding("few", statistics(shift: 0, shadows: 6), key: key)
    #expect(few.area.error == nil && few.difference(to: none) == nil)
    #expect(remembered.values.allSatisfy { $0.count == 400 })
    let json = remembered.json(beside: [none, remembered, few])
    #expect(json["unlearned"] == 1600 && json["shadows"] == 8 && json["samples"] == 400)
    #expect(json["auc_minus"]?["retrain"]?["value"] == .double(difference.value))
    #expect(json["auc_minus"]?["few"] == nil && json["auc_minus"]?["ft"] == nil)
    #expect(few.json(beside: [none])["auc_error"] == .null)
  }

  @Test(
    "The report holds the statistics of an audit, from which everything in it can be computed again"
  )
  func written() throws {
    let statistics = try statistics(shift: 0.5, shadows: 6)
    var report = ForgettingReport(
      originalDigest: "sha256:a", recipeDigest: "b", rows: [], labels: [0])
    report.audit = [try AuditFinding("salun:mask", statistics, key: RandomKey(seed: 9))]
    let path = try temporaryFile("audit.h5")
    try report.write(hdf5: path)
    guard case .group(let audit) = try HDF5File.open(path).root.child("ulira"),
      case .group(let row) = try audit.child("salun:mask"),
      case .dataset(let values) = try row.child("statistic"),
      case .dataset(let members) = try row.child("unlearned")
    else {
      Issue.record("no statistics")
      return
    }
    let read = try values.bytes().withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
    let isMember = try members.bytes().map { $0 == 1 }
    let again = ShadowStatistics(
      (0..<6).map { Array(read[400 * $0..<400 * ($0 + 1)]) },
      isMember: (0..<6).map { Array(isMember[400 * $0..<400 * ($0 + 1)]) })
    #expect(again == statistics && again.attack.area == report.audit[0].area.value)
    #expect(report.audit[0].sentence.contains("salun:mask: AUC"))
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
