import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkWatermark

@Suite("Null models' scores in the cache")
struct NullTableTests {
  private let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  /// Two untrained null models, which say something about any key.
  private func nulls() throws -> [ImageClassifier] {
    let task = try TinyTask.shared.get()
    return try (0..<2).map { try task.architecture.build(key: RandomKey(seed: $0)) }
  }

  /// Scores of null models, and the keys that they were asked about.
  private func scores(
    _ key: WatermarkKey, keys: Int, of models: [ImageClassifier], access: SuspectAccess = .logits,
    data: TrainingData? = nil, isKept: Bool = true, stopAfter: Int? = nil,
    reading: TiltReading = .both
  ) throws -> (rows: [[Double]], asked: Int) {
    let log = EventLog()
    let task = try TinyTask.shared.get()
    let session = try TrainingSession(
      seed: 0, events: log, stopRequested: { stopAfter.map { log.steps.count >= $0 } ?? false })
    let verifier = try WatermarkVerifier(
      key, published: nil, nulls: models, data: data ?? task.data,
      options: VerificationOptions(
        foreignKeys: 1, suspectKeys: keys, access: access, reading: reading),
      cache: isKept ? folder.path + "/cache" : nil, session: session)
    return (verifier.nulls, log.steps.reduce(0) { $0 + $1.samples })
  }

  private func files() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path + "/cache")
  }

  @Test("A key's null models are scored once; more keys, or more models, cost what is new alone")
  func once() throws {
    let key = try TinyTask.shared.get().key(.zhangContent, .small)
    let models = try nulls()
    let first = try scores(key, keys: 70, of: models)
    #expect(first.asked == 2 * 71)
    let again = try scores(key, keys: 70, of: models)
    #expect(again.asked == 0 && again.rows == first.rows)
    let fewer = try scores(key, keys: 9, of: models)
    #expect(fewer.asked == 0 && fewer.rows == first.rows.map { Array($0.prefix(10)) })
    let more = try scores(key, keys: 139, of: models)
    #expect(more.asked == 2 * 69)
    let third = try TinyTask.shared.get().architecture.build(key: RandomKey(seed: 5))
    let three = try scores(key, keys: 139, of: [third] + models)
    #expect(three.asked == 140)
    #expect(try files().count == 1)
    // Nothing else than what asking them all at once gives.
    let plain = try scores(key, keys: 139, of: [third] + models, isKept: false)
    #expect(plain.asked == 3 * 140)
    for (kept, asked) in zip(three.rows, plain.rows) {
      #expect(zip(kept, asked).allSatisfy { abs($0 - $1) < 1e-6 } && kept.count == asked.count)
    }
  }

  @Test("Scores of another key, of its labels or under other foreign keys are not taken for it")
  func others() throws {
    let task = try TinyTask.shared.get()
    let models = try nulls()
    let key = try task.key(.zhangContent, .small)
    _ = try scores(key, keys: 9, of: models)
    #expect(try scores(key, keys: 9, of: models, access: .labels).asked == 20)
    #expect(try scores(task.key(.zhangContent, .small, index: 1), keys: 9, of: models).asked == 20)
    var more = WatermarkOptions.small
    more.carriers.count += 10
    #expect(try scores(task.key(.zhangContent, more), keys: 9, of: models).asked == 20)
    // Another sealing changes nothing that is asked.
    let sealed = key.sealed(try models[0].checkpoint(data: task.data).modelDigest())
    #expect(try scores(sealed, keys: 9, of: models).asked == 0)
    #expect(try files().count == 4)
    // The same key, other images for foreign keys, clean images, pixels as a model wants them.
    let (train, test) = (task.data.train, try #require(task.data.evaluator.test))
    let plain = task.data.normalization
    let brighter = Normalize(mean: plain.mean.map { $0 + 0.1 }, deviation: plain.deviation)
    let others: [(ImageDataset, ImageDataset, Normalize)] = [
      (try train.subset(Array(0..<train.count - 1)), test, plain),
      (train, try test.subset(Array(0..<test.count - 1)), plain), (train, test, brighter),
    ]
    for (place, (train, test, normalization)) in others.enumerated() {
      let data = TrainingData(
        train: train,
        evaluator: Evaluator(test: test, triggered: nil, normalization: normalization))
      #expect(try scores(key, keys: 9, of: models, data: data).asked == 20, "\(place)")
    }
    #expect(try files().count == 7)
    // What is read of tilted answers decides, too.
    let tilted = try task.key(.tilted, .small)
    for reading in TiltReading.allCases {
      #expect(try scores(tilted, keys: 9, of: models, reading: reading).asked == 20)
      #expect(try scores(tilted, keys: 9, of: models, reading: reading).asked == 0)
    }
  }

  @Test("What was scored before a stop stays; what cannot be read is scored again")
  func stopped() throws {
    let key = try TinyTask.shared.get().key(.adi, .small)
    let models = try nulls()
    #expect(throws: TrainingInterrupted.self) {
      try scores(key, keys: 139, of: models, stopAfter: 3)
    }
    // Both models under 64 keys, one under the next 64.
    #expect(try scores(key, keys: 139, of: models).asked == 2 * 140 - 3 * 64)
    let file = folder.path + "/cache/" + (try #require(try files().first))
    let whole = try scores(key, keys: 139, of: models)
    let text = try String(contentsOfFile: file, encoding: .utf8)
    let (name, row) = try #require(
      JSONDecoder().decode([String: [Double]].self, from: Data(text.utf8)).first)
    func with(_ score: String) -> String {
      let numbers = [score] + row.dropFirst().map { "\($0)" }
      return "{\"\(name)\": [\(numbers.joined(separator: ","))]}"
    }
    // A row with what is no score is as good as none.
    for score in ["null", "7", "-0.1", "1e308"] {
      try with(score).write(toFile: file, atomically: true, encoding: .utf8)
      #expect(try scores(key, keys: 139, of: models).asked == 2 * 140, "\(score)")
    }
    for damage in ["", "{", "[1]", "{\"a\": \"b\"}"] {
      try damage.write(toFile: file, atomically: true, encoding: .utf8)
      let mended = try scores(key, keys: 139, of: models)
      #expect(mended.asked == 2 * 140 && mended.rows == whole.rows)
    }
  }

  @Test("Models without a place for the mark have no row, from the cache either")
  func noPlace() throws {
    let task = try TinyTask.shared.get()
    let narrow = try Architecture(.smallCNN, width: 4, classes: 10, channels: 1)
      .build(key: RandomKey(seed: 0))
    for _ in 0..<2 {
      let found = try scores(task.key(.uchida, .small), keys: 3, of: [narrow] + nulls())
      #expect(found.rows.count == 2 && found.rows.allSatisfy { $0.count == 4 })
    }
  }
}
