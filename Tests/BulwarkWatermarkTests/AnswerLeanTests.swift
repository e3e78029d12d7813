import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkWatermark

@Suite("How far answers to ordinary images lean")
struct AnswerLeanTests {
  private let task: TinyTask
  private let key: WatermarkKey
  private let sample: CleanSample
  /// Of each direction.
  private let labels: [Int]
  /// h of each direction, then of each image.
  private let excess: [[Double]]

  init() throws {
    task = try TinyTask.shared.get()
    key = try task.key(.tilted, .small)
    sample = try CleanSample(of: task.data.train)
    let plan = try CarrierPlan(key.secret, #require(key.mark.carriers), classes: 10)
    let labels = plan.groups[..<plan.markedGroups.lowerBound].compactMap(\.label)
    self.labels = labels
    let shading = try CoarseShading(#require(key.material).images)
    let places = try shading.ruler(shading.directions(key.secret, plan.directions), on: .cpu)(
      ImageDataset.unitRange(sample.images.images)
    ).doubles()
    excess = labels.indices.map { direction in
      stride(from: direction, to: places.count, by: labels.count).map { max(0, places[$0] - 1) }
    }
  }

  /// Answers of no model: those of an unmarked one and, for each direction, `slopes` times its excess at its label.
  private func logits(_ slopes: [Double]) throws -> Tensor {
    let session = try TrainingSession(seed: 0)
    let plain = try task.unmarked(seed: 3).logits(
      of: sample.images, task.data.normalization, session: session)
    var rise = [Float](repeating: 0, count: sample.images.count * 10)
    for (direction, label) in labels.enumerated() {
      for image in 0..<sample.images.count {
        rise[image * 10 + label] += Float(slopes[direction] * excess[direction][image])
      }
    }
    return try plain + Tensor(rise, shape: [sample.images.count, 10])
  }

  @Test("The lean is the covariance of what the documentation says, in deviations of the excess")
  func definition() throws {
    let logits = try logits([1, 0.5, 0])
    let rows = try (logits.to(.float64) / 2.5).softmax(1).doubles()
    let found = try AnswerLean(key, sample)(AnswerLean.answers(logits, temperature: 2.5))
    let count = Double(sample.images.count)
    for (direction, label) in labels.enumerated() {
      let z = (0..<sample.images.count).map { image in
        let logs = rows[image * 10..<image * 10 + 10].map { log($0 + 0.001) }
        return logs[label] - logs.reduce(0, +) / 10
      }
      let h = excess[direction]
      let (zMean, hMean) = (z.reduce(0, +) / count, h.reduce(0, +) / count)
      let covariance = zip(z, h).reduce(0) { $0 + ($1.0 - zMean) * ($1.1 - hMean) } / count
      let variance = h.reduce(0) { $0 + ($1 - hMean) * ($1 - hMean) } / count
      #expect(abs(found[direction] - covariance / variance.squareRoot()) < 1e-4)
    }
  }

  @Test("Answers that lean along a direction are read so under its key, by labels alone, too")
  func grows() throws {
    let lean = try AnswerLean(key, sample)
    // First answers change where the label comes first.
    for (temperature, slope) in [(1.0, 3.0), (nil, 30.0)] {
      let plain = try lean(AnswerLean.answers(logits([0, 0, 0]), temperature: temperature))
      for direction in labels.indices {
        let slopes = labels.indices.map { $0 == direction ? slope : 0 }
        let leaning = try lean(AnswerLean.answers(logits(slopes), temperature: temperature))
        #expect(leaning[direction] > plain[direction] + 0.1)
      }
    }
  }

  @Test("Answers alone are the mean lean; hits in one group count less than as many in all groups")
  func weakest() throws {
    let score = try #require(
      key.score(
        normalization: task.data.normalization, access: .logits, probe: sample, reading: .answers)
        as? TiltScore)
    #expect(score.metric.name == "answer_lean" && score.count == sample.images.count)
    let answers = try AnswerLean.answers(logits([3, 0, 0]), temperature: 1)
    let leans = try AnswerLean(key, sample)(answers)
    let mean = leans.reduce(0, +) / Double(leans.count)
    #expect(try abs(score.value(nil, temperature: 1, answers: answers) - mean) < 1e-9)

    let both = try #require(
      key.score(normalization: task.data.normalization, access: .labels, probe: sample)
        as? TiltScore)
    let set = try #require(both.carriers?.carriers)
    let shaded = Array(try #require(set.kinds.first).places)
    /// The score where these carriers alone are answered with their labels, all others with another one.
    func value(_ hits: Set<Int>) throws -> Double {
      let rows = set.labels.enumerated().map { place, label in
        hits.contains(place) ? label : (label + 1) % 10
      }
      return try both.value(
        Tensor(rows).oneHot(10).to(.float32), temperature: 1, answers: answers)
    }
    let group = shaded.filter { set.groups[$0] == set.groups[shaded[0]] }
    // As many hits, in one group and spread over three.
    let spread = Set(0..<3).reduce(into: Set<Int>()) { all, index in
      all.formUnion(shaded.filter { set.groups[$0] == index }.prefix(group.count / 3))
    }
    let one = Set(group.prefix(spread.count))
    #expect(one.count == spread.count && spread.count >= 3)
    #expect(try value(spread) > value(one) + 0.05)
  }

  @Test("Both readings together are carriers, by kind and weakest group, and twice the lean")
  func together() throws {
    let session = try TrainingSession(seed: 0)
    let model = try task.unmarked(seed: 3)
    func read(_ reading: TiltReading) throws -> Double {
      let score = try key.score(
        normalization: task.data.normalization, access: .labels, probe: sample, reading: reading)
      return try #require(try score.score(model, session: session))
    }
    let carriers = try #require(try key.carriers())
    let hits = try CarrierScore(
      carriers, normalization: task.data.normalization, access: .labels
    ).values(
      model.logits(
        of: CarrierSet.images(of: [carriers]), task.data.normalization, session: session),
      temperature: 1)
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
    let expected = carriers.kinds.reduce(0.0) { sum, kind in
      let groups = Set(kind.places.map { carriers.groups[$0] }).map { group in
        mean(kind.places.filter { carriers.groups[$0] == group }.map { hits[$0] })
      }
      let share = Double(kind.places.count) / Double(carriers.count)
      return sum + share * (mean(groups) + 0.5 * (groups.min() ?? 0))
    }
    #expect(carriers.kinds.count == 2)
    #expect(try abs(read(.both) - (expected + 2 * read(.answers))) < 1e-6)
    #expect(try abs(read(.carriers) - mean(hits)) < 1e-6)
  }

  @Test("Whoever reads answers alone asks about ordinary images alone, behind an interface, too")
  func unseen() throws {
    let options = VerificationOptions(
      level: 0.1, foreignKeys: 9, suspectKeys: 9, reading: .answers)
    let sealed = key.sealed(SHA256Digest(of: "model"))
    let queries = try QuerySet(sealed, data: task.data, options: options).images
    let test = try #require(task.data.evaluator.test)
    let ordinary = Set(try ImageDigests.of(test.images))
    #expect(try Set(ImageDigests.of(queries.images)) == ordinary)
    let model = try task.unmarked(seed: 4)
    let session = try TrainingSession(seed: 0)
    let rows = try model.logits(of: queries, task.data.normalization, session: session)
      .softmax(1).floats()
    let suspect = try ServedSuspect(
      queries,
      answers: ServedAnswers(
        rows: stride(from: 0, to: rows.count, by: 10).map { Array(rows[$0..<$0 + 10]) },
        hasProbabilities: true))
    let verifier = try WatermarkVerifier(
      sealed, published: nil, nulls: (5..<8).map { try task.unmarked(seed: $0) }, data: task.data,
      options: options, session: session)
    let (served, direct) = (try verifier.verify(suspect), try verifier.verify(model))
    let (one, other) = (try #require(served.rank), try #require(direct.rank))
    #expect(abs(one.observed - other.observed) < 1e-3 && served.counted == nil)
    #expect(zip(one.foreign, other.foreign).allSatisfy { abs($0 - $1) < 1e-3 })
    #expect(served.metric == "answer_lean")
    // Carriers were not asked about.
    let both = try WatermarkVerifier(
      sealed, published: nil, nulls: [], data: task.data,
      options: VerificationOptions(foreignKeys: 9, suspectKeys: 9), session: session)
    let error = #expect(throws: WatermarkError.self) { try both.verify(suspect) }
    #expect(error?.summary.contains("evidence.reading") == true)
  }

  @Test("Another reading than the usual one is refused for keys of other schemes")
  func otherSchemes() throws {
    let adi = try task.key(.adi, .small).sealed(SHA256Digest(of: "model"))
    for reading in [TiltReading.answers, .carriers] {
      #expect(throws: RecipeError.self) {
        try WatermarkVerifier(
          adi, published: nil, nulls: [], data: task.data,
          options: VerificationOptions(reading: reading), session: TrainingSession(seed: 0))
      }
    }
  }

  @Test("Answers that are no numbers have no lean", arguments: [SuspectAccess.labels, .logits])
  func notFinite(_ access: SuspectAccess) throws {
    let model = try task.unmarked(seed: 4)
    let broken = try model.surrogateCopy(on: .cpu)
    try withoutGradients {
      try broken.head.bias.copy(from: Tensor([Float](repeating: .nan, count: 10)))
    }
    // A class that never comes first is one, too.
    let masked = try logits([0, 0, 0]) + Tensor([Float](repeating: 0, count: 9) + [-.infinity])
    #expect(
      try AnswerLean.answers(masked, temperature: access == .labels ? nil : 1).isFinite()
        .to(.float32).min().item() == 1)
    let score = try key.score(
      normalization: task.data.normalization, access: access, probe: sample)
    #expect(throws: WatermarkError.self) {
      try ScoreRow(of: broken, session: TrainingSession(seed: 0)).values([score])
    }
  }
}
