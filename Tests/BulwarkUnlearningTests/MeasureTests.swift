import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkUnlearning

@Suite("Measures of forgetting")
struct MeasureTests {
  @Test("The average gap reproduces 1.15 and 2.65 from SalUn's published tables, in percent")
  func averageGap() {
    let published: [(salun: [Double], retrain: [Double], gap: Double)] = [
      ([2.85, 99.62, 93.93, 14.39], [5.24, 100, 94.26, 12.88], 1.15),
      ([7.75, 94.28, 89.29, 16.99], [7.91, 100, 91.72, 19.29], 2.65),
    ]
    for row in published {
      let gap = AverageGap.of(row.salun, from: row.retrain)
      #expect((gap * 100).rounded() / 100 == row.gap)
    }
  }

  @Test("Opposite errors of two seeds cancel in the gap of means and not in the gap per seed")
  func gapKinds() {
    let method = [[0.1, 1, 0.9, 0.2], [0.3, 1, 0.9, 0.2]]
    let reference = [[0.2, 1, 0.9, 0.2], [0.2, 1, 0.9, 0.2]]
    #expect(abs(AverageGap.ofMeans(method, from: reference)) < 1e-12)
    for gap in AverageGap.perSeed(method, from: reference) { #expect(abs(gap - 0.025) < 1e-12) }
  }

  private struct Case: Decodable {
    var members: [Double]
    var others: [Double]
    var queries: [Double]
    var penalty: Double
    var is_member: [Bool]
  }

  @Test("The classifier decides as scikit-learn's SVC does on every query")
  func supportVectors() throws {
    let url = try #require(
      Bundle.module.url(forResource: "Fixtures/confidence-attack", withExtension: "json"))
    let cases = try JSONDecoder().decode([Case].self, from: Data(contentsOf: url))
    #expect(cases.count == 4)
    for known in cases {
      let classifier = SupportVectorClassifier(penalty: known.penalty, gamma: 1)
      let found = classifier.classifies(
        known.queries, first: known.members, second: known.others)
      #expect(found == known.is_member, "C \(known.penalty)")
      #expect(Set(found).count == 2)
    }
  }

  @Test("MIA does not depend on the order in which samples are stored")
  func storedOrder() {
    // The first half of the retained samples, say the first classes, is less certain.
    let retain = (0..<200).map { 0.5 + 0.49 * Double($0) / 200 }
    let test = (0..<80).map { 0.2 + 0.6 * Double($0) / 80 }
    let forget = (0..<50).map { 0.3 + 0.6 * Double($0) / 50 }
    let stored = ConfidenceAttack(.scaled).efficacy(forget: forget, retain: retain, test: test)
    let reversed = ConfidenceAttack(.scaled).efficacy(
      forget: forget, retain: retain.reversed(), test: test.reversed())
    #expect(stored.samples == 80 && stored.share > 0.2 && stored.share < 0.9)
    #expect(stored == reversed)
    #expect(ConfidenceAttack.thinned([5, 1, 4, 2, 3], to: 5) == [1, 2, 3, 4, 5])
    #expect(ConfidenceAttack.thinned([5, 1, 4, 2, 3, 6], to: 2) == [2, 5])
  }

  @Test("MIA takes as many members as others and counts non-members")
  func attack() {
    let retain = [Double](repeating: 1, count: 100)
    let test = [Double](repeating: 0, count: 30)
    let result = ConfidenceAttack(.scaled).efficacy(
      forget: [1, 1, 1, 0], retain: retain, test: test)
    #expect(result.samples == 30)
    #expect(result.share == 0.25)
    #expect(ConfidenceAttack(.scaled).penaltyValue(samples: 10_000) == 3)
    #expect(ConfidenceAttack(.official).penaltyValue(samples: 100) == 3)
  }

  @Test("Intervals are Student's over seeds and Wilson's for one share")
  func intervals() {
    let summary = SampleSummary([1, 2, 3, 4, 5])
    #expect(summary.mean == 3)
    #expect(abs(summary.deviation - 1.5811) < 1e-4)
    #expect(abs(summary.high - (3 + 2.7764 * 1.5811 / 5.0.squareRoot())) < 1e-3)
    // 50 of 100: 0.404 to 0.596 (Wilson).
    let share = SampleSummary([0.5], samples: 100)
    #expect(abs(share.low - 0.4038) < 1e-4 && abs(share.high - 0.5962) < 1e-4)
    #expect(SampleSummary([7]).low == 7 && !SampleSummary([7]).hasInterval)
    // A share of 0 or 1 lies in its own interval, for every number of samples.
    for samples in 1...5000 {
      #expect(SampleSummary([1], samples: samples).contains(1))
      #expect(SampleSummary([0], samples: samples).contains(0))
    }
    // scipy.stats.t.ppf(0.975, 40) = 2.02108.
    #expect(abs(SampleSummary.studentQuantile(40) - 2.02108) < 1e-4)
    #expect(SampleSummary([0, 1]).contains(0.5) && !SampleSummary([1, 1]).contains(2))
  }

  @Test("UA, RA and TA count what they say; a class that is gone entirely leaves the test set")
  func counts() throws {
    let victim = try Victim.shared.get()
    let session = try TrainingSession(seed: 0)
    let model = try victim.unlearner(.ft).model
    let predicted = try model.predictions(of: victim.train, victim.normalization, session: session)
    let tested = try model.predictions(of: victim.test, victim.normalization, session: session)
    let forgotten = victim.train.labels.indices.filter { victim.train.labels[$0] == 4 }
    let input = try victim.input(forgotten)
    let evaluator = ForgettingEvaluator(input: input, test: victim.test)
    let outcome = try evaluator.measure(model, session: session)
    func share(_ indices: [Int], _ predicted: [Int], _ labels: [Int]) -> Double {
      Double(indices.count { predicted[$0] == labels[$0] }) / Double(indices.count)
    }
    let labels = victim.train.labels
    #expect(outcome.value(Metric.unlearningAccuracy) == 1 - share(forgotten, predicted, labels))
    #expect(
      outcome.value(Metric.retainAccuracy) == share(input.forgetSet.retain, predicted, labels))
    let others = victim.test.labels.indices.filter { victim.test.labels[$0] != 4 }
    #expect(evaluator.forgottenClasses == [4])
    #expect(
      outcome.value(Metric.testAccuracy) == share(others, tested, victim.test.labels))
    #expect(outcome.confidence.count == victim.train.count)
    #expect(outcome.confidence.allSatisfy { (0...1).contains($0) })
  }

  @Test("Relearning measures the rest of the forget set and leaves the model alone")
  func relearning() throws {
    let victim = try Victim.shared.get()
    let input = try victim.input(Array(0..<60))
    var options = RelearningOptions()
    options.share = 0.2
    let architecture = Architecture(.smallCNN, width: 4, classes: 10, channels: 1)
    let test = RelearningTest(input: input, options: options)
    let session = try TrainingSession(seed: 0)
    let results = try test.run(victim.original.weights, architecture, session: session)
    #expect(results.map(\.epochs) == [0, 1, 5])
    #expect(results.allSatisfy { $0.count == 48 })
    // A model that has forgotten nothing keeps answering; one that knows nothing learns little.
    let fresh = try architecture.build(key: RandomKey(seed: 0))
    let strangers = try test.run(weights(fresh), architecture, session: session)
    for (known, unknown) in zip(results, strangers) {
      #expect(known.accuracy > unknown.accuracy + 0.2, "after \(known.epochs) epochs")
    }
  }
}

@Suite("The forgetting report")
struct ForgettingReportTests {
  private func row(
    _ name: String, seed: UInt64, _ measures: [Double], forget: ForgetSet
  ) -> ForgettingReport.Row {
    ForgettingReport.Row(
      name: name, seed: seed, checkpointDigest: "sha256:\(name)\(seed)", forgetSet: forget,
      values: zip(ForgettingReport.gapMeasures, measures).map { MetricValue($0, $1, count: 400) },
      confidence: [0.9, 0.2, 0.5, 1])
  }

  private func report() throws -> ForgettingReport {
    let forget = try ForgetSet([1, 2], of: 4, origin: "test")
    return ForgettingReport(
      originalDigest: "sha256:before", recipeDigest: "sha256:recipe",
      rows: [
        row("original", seed: 0, [0, 1, 0.94, 0.01], forget: forget),
        row("retrain", seed: 0, [0.05, 1, 0.94, 0.13], forget: forget),
        row("salun", seed: 0, [0.05, 1, 0.93, 0.14], forget: forget),
        row("rl", seed: 0, [0.05, 1, 0.93, 0.4], forget: forget),
        row("ft", seed: 0, [0, 1, 0.94, 0.13], forget: forget),
      ], labels: [0, 1, 2, 3])
  }

  @Test("Too much and too little forgetting are called out in words, what lies within is not")
  func verdicts() throws {
    let verdicts = try report().verdicts
    #expect(verdicts.count == 2)
    #expect(verdicts[0].hasPrefix("rl forgets too much: MIA is 40.0 %, Retrain's 13.0 %"))
    #expect(verdicts[1].hasPrefix("ft forgets too little: UA is 0.0 %, Retrain's 5.0 %"))
  }

  @Test("Differences are paired by seed, and two seeds that agree are not certain for that")
  func pairedDifference() throws {
    let forget = try ForgetSet([1, 2], of: 4, origin: "test")
    var report = try report()
    // Retrain moves from seed to seed and the method with it, four points above.
    let moving = [0.2, 0.3, 0.4]
    report.rows = moving.enumerated().flatMap { seed, value in
      [
        row("retrain", seed: UInt64(seed), [value, 1, 1, 1], forget: forget),
        row("rl", seed: UInt64(seed), [value + 0.04, 1, 1, 0.998], forget: forget),
      ]
    }
    let rl = try #require(report.difference(Metric.unlearningAccuracy, of: "rl"))
    #expect(abs(rl.own - rl.reference - 0.04) < 1e-12)
    // The seeds' differences do not spread; 1,200 draws at 0.3 and 0.34 do.
    let half = 1.959964 * ((0.3 * 0.7 + 0.34 * 0.66) / 1200).squareRoot()
    #expect(abs(rl.high - rl.low - 2 * half) < 1e-9)
    #expect(report.verdicts.count == 1)
    #expect(report.verdicts[0].hasPrefix("rl forgets too much: UA"), "not by MIA: 99.8 % of 1,200")
    // A seed that only one of them has does not count.
    report.rows.append(row("rl", seed: 9, [1, 1, 1, 1], forget: forget))
    #expect(report.difference(Metric.unlearningAccuracy, of: "rl")?.own == rl.own)
  }

  @Test("The gap pairs seeds: one without a result takes no other with it")
  func gapBySeed() throws {
    let forget = try ForgetSet([1, 2], of: 4, origin: "test")
    var report = try report()
    report.rows = [
      row("retrain", seed: 0, [0.9, 0.5, 0.5, 0.9], forget: forget),
      row("retrain", seed: 1, [0.05, 1, 0.94, 0.13], forget: forget),
      row("salun", seed: 1, [0.05, 1, 0.93, 0.14], forget: forget),
      row("rl", seed: 1, [0.05, 1, 0.93, 0.14], forget: forget),
      row("rl", seed: 0, [0.9, 0.5, 0.5, 0.8], forget: forget),
      row("ft", seed: 2, [0, 1, 0.94, 0.13], forget: forget),
    ]
    let perSeed = ["salun", "rl", "ft"].map { report.gap(of: $0)?.perSeed }
    #expect(perSeed.map { $0?.seeds } == [1, 2, nil])
    #expect(abs(try #require(perSeed[0]).mean - 0.005) < 1e-9)
    #expect(abs(try #require(perSeed[1]).mean - (0.005 + 0.025) / 2) < 1e-9)
    #expect(abs(try #require(report.gap(of: "salun")?.ofMeans) - 0.005) < 1e-9)
  }

  @Test("The JSON names digests, forget set, measures with direction and target, and confidences")
  func json() throws {
    let json = try report().json()
    #expect(json["schema"] == "bulwark.forgetting/1")
    #expect(json["checkpoint_before"] == "sha256:before")
    guard case .array(let rows)? = json["rows"] else {
      Issue.record("no rows")
      return
    }
    #expect(rows[2]["checkpoint_after"] == "sha256:salun0")
    let measure = rows[2]["measures"]?["mia_efficacy"]
    #expect(measure?["unit"] == "fraction")
    #expect(measure?["target"]?.stringValue?.hasPrefix("Retrain's value") == true)
    #expect(measure?["n"] == 400)
    #expect(
      rows[2]["samples"]
        == [
          ["index": 1, "label": 1, "confidence_after": 0.2, "confidence_before": 0.2],
          ["index": 2, "label": 2, "confidence_after": 0.5, "confidence_before": 0.5],
        ])
    guard case .array(let summaries)? = json["summaries"],
      case .double(let gap)? = summaries[2]["average_gap"]?["value"]
    else {
      Issue.record("no gap")
      return
    }
    #expect(abs(gap - 0.005) < 1e-9)
  }

  @Test("The HDF5 form holds forget set and confidence of every sample")
  func hdf5() throws {
    let path = try temporaryFile("report.h5")
    try report().write(hdf5: path)
    let file = try HDF5File.open(path)
    guard case .group(let rows) = try file.root.child("rows"),
      case .group(let salun) = try rows.child("salun"),
      case .group(let seed) = try salun.child("seed-0"),
      case .dataset(let confidence) = try seed.child("confidence")
    else {
      Issue.record("no confidence")
      return
    }
    let values = try confidence.bytes().withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
    #expect(values == [0.9, 0.2, 0.5, 1])
    #expect(throws: StoreError.self) { try report().write(hdf5: path) }
  }
}
