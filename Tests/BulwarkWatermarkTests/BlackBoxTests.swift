import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkWatermark

@Suite("Suspects that are only served")
struct BlackBoxTests {
  private let options = VerificationOptions(
    level: 0.01, foreignKeys: 19, suspectKeys: 99, keyRank: .score)

  private func verifier(_ key: WatermarkKey, _ options: VerificationOptions) throws
    -> WatermarkVerifier
  {
    let task = try TinyTask.shared.get()
    return try WatermarkVerifier(
      key, published: key.commitment(), nulls: NullModels.shared.get().models, data: task.data,
      options: options, session: TrainingSession(seed: 0))
  }

  /// What a model behind an interface would answer.
  private func answers(_ model: ImageClassifier, _ queries: QuerySet, labelsOnly: Bool = false)
    throws -> ServedAnswers
  {
    let task = try TinyTask.shared.get()
    let logits = try model.logits(
      of: queries.images, task.data.normalization, session: TrainingSession(seed: 0))
    if labelsOnly {
      let labels = try logits.argmax(1).integers()
      return ServedAnswers(
        rows: labels.map { label in (0..<10).map { $0 == label ? 1 : 0 } }, hasProbabilities: false)
    }
    let values = try logits.softmax(1).floats()
    return ServedAnswers(
      rows: stride(from: 0, to: values.count, by: 10).map { Array(values[$0..<$0 + 10]) },
      hasProbabilities: true)
  }

  @Test(
    "Recorded answers give the scores and the verdict that the model gives",
    arguments: [
      (WatermarkScheme.zhangContent, false), (.adi, true), (.coswm, false), (.tilted, false),
      (.tilted, true),
    ])
  func sameAsTheModel(_ scheme: WatermarkScheme, _ labelsOnly: Bool) throws {
    let task = try TinyTask.shared.get()
    var settings = WatermarkOptions.small
    // Nobody here chooses for foreign keys.
    settings.tilted.candidates = 0
    let trainer = try task.trainer(scheme, settings, epochs: 16)
    _ = try trainer.run()
    let key = try trainer.sealedKey()
    var options = options
    if labelsOnly { options.access = .labels }
    let verifier = try verifier(key, options)
    let queries = try QuerySet(key, data: task.data, options: options)
    for suspect in [trainer.model, try task.unmarked(seed: 7, epochs: 16)] {
      let served = try ServedSuspect(
        queries.images, answers: answers(suspect, queries, labelsOnly: labelsOnly))
      let (expected, report) = (try verifier.verify(suspect), try verifier.verify(served))
      #expect(report.verdict == expected.verdict)
      let (rank, model) = (try #require(report.rank), try #require(expected.rank))
      #expect(abs(rank.observed - model.observed) < 1e-4)
      #expect(rank.foreign.count == 19 && rank.further.count == 80)
      #expect(
        zip(rank.foreign + rank.further, model.foreign + model.further)
          .allSatisfy { abs($0 - $1) < 1e-3 * max(1, abs($1)) })
      #expect(abs(rank.p - model.p) < 1e-9)
      #expect(report.counted == expected.counted)
      #expect(report.access == (labelsOnly ? .labels : .logits))
    }
  }

  @Test("Every image is asked about once, in an order that follows from the secret")
  func order() throws {
    let task = try TinyTask.shared.get()
    let key = try task.key(.zhangContent, .small)
    let first = try QuerySet(key, data: task.data, options: options).images
    let digests = try ImageDigests.of(first.images)
    #expect(Set(digests).count == first.count)
    let probe = try #require(task.data.evaluator.test)
    let carriers = try #require(try key.carriers())
    #expect(first.count <= probe.count + 100 * carriers.count)
    #expect(Set(digests).isSuperset(of: try ImageDigests.of(probe.images)))
    let places = try ImageDigests.of(carriers.images).compactMap(digests.firstIndex)
    #expect(places.count == carriers.count)
    // Neither together nor in their order.
    #expect(places != places.sorted())
    #expect((places.max() ?? 0) - (places.min() ?? 0) > first.count / 2)
    #expect(
      try QuerySet(key, data: task.data, options: options).images.fingerprint == first.fingerprint)
  }

  @Test("Marks in weights, queries of other numbers of keys and missing probabilities are refused")
  func refused() throws {
    let task = try TinyTask.shared.get()
    #expect(throws: WatermarkError.self) {
      try QuerySet(task.key(.uchida, .small), data: task.data, options: options)
    }
    let key = try task.trainer(.zhangContent, .small, epochs: 1).sealedKey()
    let few = try QuerySet(
      key, data: task.data, options: VerificationOptions(foreignKeys: 19, suspectKeys: 19))
    let model = try task.unmarked(seed: 7)
    let verifier = try verifier(key, options)
    let incomplete = try ServedSuspect(few.images, answers: answers(model, few))
    var error = #expect(throws: WatermarkError.self) { try verifier.verify(incomplete) }
    #expect(error?.summary.contains("not among the queries") == true)
    let labels = try ServedSuspect(few.images, answers: answers(model, few, labelsOnly: true))
    error = #expect(throws: WatermarkError.self) { try verifier.verify(labels) }
    #expect(error?.summary.contains("probabilities are needed") == true)
    #expect(throws: WatermarkError.self) {
      try ServedSuspect(few.images, answers: ServedAnswers(rows: [], hasProbabilities: true))
    }
  }

  private func read(_ text: String) throws -> ServedAnswers {
    let folder = try TemporaryFolder()
    let path = folder.file("answers.csv")
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return try ServedAnswers(reading: path, count: 2, classNames: ["cat", "dog"])
  }

  @Test("Answers are labels by name or number, or probabilities, in any order with an index")
  func csv() throws {
    let labels: [[Float]] = [[0, 1], [1, 0]]
    for text in ["label\n1\n0\n", "label\ndog\ncat", "index,label\n1,cat\n\n0, dog\n"] {
      #expect(try read(text) == ServedAnswers(rows: labels, hasProbabilities: false), "\(text)")
    }
    for text in ["cat,dog\n0.25,0.75\n1,0\n", "p1,index,p0\n0,1,1\n0.75,0,0.25\n"] {
      #expect(
        try read(text) == ServedAnswers(rows: [[0.25, 0.75], [1, 0]], hasProbabilities: true),
        "\(text)")
    }
  }

  @Test(
    "Broken answers are refused with the line",
    arguments: [
      ("label\n1\n", "1 answers"), ("1\n0\n", "neither"), ("cat\n1\n1\n", "neither"),
      ("label\n1\n2\n", "line 3: there is no class 2"), ("label\n1\nbird\n", "line 3"),
      ("index,label\n0,1\n0,1\n", "line 3: query 0"), ("index,label\n0,1\n5,1\n", "no query 5"),
      ("cat,dog\n0.5,0.5\n0.5,0.6\n", "line 3: the probabilities add up"),
      ("cat,dog\n0.5,0.5\nnan,1\n", "line 3"), ("cat,dog\n0.5,0.5\n1\n", "line 3"),
    ])
  func brokenCSV(_ text: String, _ words: String) throws {
    let error = #expect(throws: WatermarkError.self) { try read(text) }
    #expect(error?.summary.contains(words) == true, "\(error?.summary ?? "")")
  }
}
