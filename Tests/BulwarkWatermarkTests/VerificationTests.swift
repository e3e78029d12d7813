import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkWatermark

@Suite("Verification")
struct VerificationTests {
  /// Foreign keys that choose cost a forward pass each: `suspectKeys` may be fewer, and the level higher.
  private func verifier(
    _ key: WatermarkKey, _ access: SuspectAccess = .logits, level: Double = 1e-3,
    suspectKeys: Int = 999, keyRank: RankTest.KeyRank = .score
  ) throws -> WatermarkVerifier {
    let task = try TinyTask.shared.get()
    let session = try TrainingSession(seed: 0)
    let chooser =
      key.choosesDirections
      ? ChoosingModel(
        try task.unmarked(seed: 77, epochs: 16), normalization: task.data.normalization,
        session: session) : nil
    // By score 11 · 100 = 1,100 cells, and 999 foreign keys for the suspect.
    return try WatermarkVerifier(
      key, published: key.commitment(), nulls: NullModels.shared.get().models, data: task.data,
      options: VerificationOptions(
        level: level, foreignKeys: 99, suspectKeys: suspectKeys, access: access,
        keyRank: keyRank),
      foreign: ForeignKeys(of: key, material: task.data.train, choosing: chooser), session: session)
  }

  @Test("By excess null models are asked about every key, and verdicts stay what they are")
  func byExcess() throws {
    let task = try TinyTask.shared.get()
    let trainer = try task.trainer(.zhangContent, .small, epochs: 16)
    _ = try trainer.run()
    let key = try trainer.sealedKey()
    let verifier = try WatermarkVerifier(
      key, published: key.commitment(), nulls: NullModels.shared.get().models, data: task.data,
      options: VerificationOptions(
        level: 0.005, foreignKeys: 19, suspectKeys: 199),
      session: TrainingSession(seed: 0))
    #expect(verifier.nulls.count == 10 && verifier.nulls.allSatisfy { $0.count == 200 })
    let report = try verifier.verify(trainer.model)
    let rank = try #require(report.rank)
    #expect(rank.foreign.count == 199 && rank.further.isEmpty && rank.smallestKeyP == 0.005)
    #expect(report.verdict == .derived, "\(report.sentence)")
    #expect(report.sentence.contains("beyond what null models say"))
    #expect(try verifier.verify(task.unmarked(seed: 7, epochs: 16)).verdict == .notShown)
  }

  @Test(
    "A marked host is shown to be derived at 1e-3, or as low as 200 keys allow, an innocent model is not",
    arguments: [
      (WatermarkScheme.adi, SuspectAccess.labels), (.zhangContent, .logits), (.rehearsed, .labels),
      (.uchida, .weights), (.tilted, .logits),
    ])
  func verdicts(_ scheme: WatermarkScheme, _ access: SuspectAccess) throws {
    let task = try TinyTask.shared.get()
    var options = WatermarkOptions.small
    options.uchida.bits = 32
    let trainer = try task.trainer(scheme, options, epochs: 16)
    _ = try trainer.run()
    let keys = [.tilted, .rehearsed].contains(scheme) ? 199 : 999
    let keyRank: RankTest.KeyRank = keys == 199 ? .excess : .score
    let verifier = try verifier(
      trainer.sealedKey(), access, level: 1 / Double(keys + 1), suspectKeys: keys, keyRank: keyRank)
    let report = try verifier.verify(trainer.model)
    #expect(report.verdict == .derived, "\(report.sentence)")
    #expect(report.sentence.hasPrefix("Derived: "))
    let rank = try #require(report.rank)
    #expect(rank.cells == 11 * (keyRank == .excess ? 200 : 100))
    #expect(rank.smallestP == 1 / Double(rank.cells) && rank.smallestKeyP == 1 / Double(keys + 1))
    #expect(report.sentence.contains("against a chosen key the evidence is 1 in 11"))
    #expect(abs(report.classShares.reduce(0, +) - 1) < 1e-9)
    #expect(report.access == access)
    let counted = try #require(report.counted)
    #expect((counted.log10P != nil) == (scheme == .adi || scheme == .uchida))
    if let p = counted.log10P { #expect(p < -6) }

    // Whoever flattens his answers is shown to have derived them all the same.
    if access == .logits {
      let softened = try AnswerSoftening().surrogate(
        of: trainer.model, data: task.data, session: TrainingSession(seed: 0))
      #expect(try verifier.verify(softened).verdict == .derived)
    }
    let innocent = try verifier.verify(task.unmarked(seed: 7, epochs: 16))
    #expect(innocent.verdict == .notShown)
    #expect(innocent.sentence.hasPrefix("Not shown: "))
    #expect(innocent.cleanAccuracy > 0.6)
    if let p = innocent.counted?.log10P { #expect(p > -3) }
  }

  @Test("A suspect without the marked layer is not applicable, one with too few pairs is told so")
  func notApplicable() throws {
    let task = try TinyTask.shared.get()
    let key = try task.key(.uchida, .small)
    let narrow = try Architecture(.smallCNN, width: 4, classes: 10, channels: 1).build(
      key: RandomKey(seed: 0))
    let report = try verifier(key).verify(narrow)
    #expect(report.verdict == .notApplicable)
    let few = try WatermarkVerifier(
      task.key(.zhangContent, .small), published: nil,
      nulls: [NullModels.shared.get().models[0]], data: task.data,
      options: VerificationOptions(foreignKeys: 3, suspectKeys: 3),
      session: TrainingSession(seed: 0))
    #expect(try few.verify(task.unmarked(seed: 7)).sentence.contains("cannot reach the level"))
    let other = try Architecture(.smallCNN, width: 4, classes: 9, channels: 1).build(
      key: RandomKey(seed: 0))
    #expect(throws: WatermarkError.self) { try few.verify(other) }
  }

  @Test("Scoring tells how far it is, and stops where it is asked to")
  func stops() throws {
    let task = try TinyTask.shared.get()
    let nulls = try (0..<2).map { try task.architecture.build(key: RandomKey(seed: $0)) }
    let suspect = try task.architecture.build(key: RandomKey(seed: 2))
    func verify(_ session: TrainingSession) throws {
      _ = try WatermarkVerifier(
        task.key(.zhangContent, .small), published: nil, nulls: nulls, data: task.data,
        options: VerificationOptions(foreignKeys: 3, suspectKeys: 70, keyRank: .score),
        session: session
      ).verify(suspect)
    }
    let log = EventLog()
    try verify(TrainingSession(seed: 0, events: log))
    // 4 keys on each of two models, then 71 keys, 64 at a time.
    #expect(log.stages.map { $0.steps } == [2, 2])
    #expect(log.steps.map { $0.step } == [1, 2, 1, 2])
    for (place, stage) in ["null_scores", "null_scores", "suspect_scores"].enumerated() {
      var asked = 0
      let session = try TrainingSession(
        seed: 0,
        stopRequested: {
          asked += 1
          return asked == place + 1
        })
      let stop = #expect(throws: TrainingInterrupted.self) { try verify(session) }
      #expect(stop?.stage == stage)
    }
  }

  @Test("Null models are trained once, go on after a stop, and are other models for other settings")
  func population() throws {
    let task = try TinyTask.shared.get()
    let folder = try TemporaryFolder()
    func population(epochs: Int) -> NullPopulation {
      NullPopulation(
        task.architecture, data: task.data, training: task.training(epochs: epochs),
        augmentation: task.augmentation, count: 2, folder: folder.file("cache"))
    }
    var steps = 0
    let stopping = try TrainingSession(
      seed: 1,
      stopRequested: {
        steps += 1
        return steps == 11
      })
    #expect(throws: TrainingInterrupted.self) { try population(epochs: 1).models(stopping) }
    let session = try TrainingSession(seed: 2)
    let resumed = try population(epochs: 1).models(session)
    let again = try population(epochs: 1).models(session)
    #expect(try resumed.map(bytes) == again.map(bytes))
    #expect(try bytes(resumed[0]) != bytes(resumed[1]))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("cache")).count == 2)
    try FileManager.default.removeItem(atPath: folder.file("cache"))
    #expect(try population(epochs: 1).models(session).map(bytes) == resumed.map(bytes))
    #expect(try population(epochs: 1).digest(session) != population(epochs: 2).digest(session))
  }

  @Test("A judge who names a number gets models that the owner could not train before")
  func draw() throws {
    let task = try TinyTask.shared.get()
    let session = try TrainingSession(seed: 1)
    func digest(_ draw: UInt64) throws -> String {
      try NullPopulation(
        task.architecture, data: task.data, training: task.training(epochs: 1),
        augmentation: task.augmentation, draw: draw, folder: "cache"
      ).digest(session)
    }
    #expect(Set(try [0, 1, 2].map(digest)).count == 3)
    let seeds = (0..<3).flatMap { draw in
      (0..<20).map { NullPopulation.seed($0, draw: UInt64(draw)) }
    }
    #expect(Set(seeds).count == 60)
  }
}

@Suite("Forgery")
struct ForgeryTests {
  @Test("Whoever calls a suspect's answers labels has perfect carriers, and no key that gives them")
  func chosenLabels() throws {
    let task = try TinyTask.shared.get()
    let session = try TrainingSession(seed: 0)
    let suspect = try task.unmarked(seed: 9)
    let mark = try task.mark(.adi, .small)
    let thief = try WatermarkKey(
      secret: .published("thief", 0), owner: "thief", mark: mark, train: task.data.train)
    let honest = try #require(try thief.carriers())
    // The ambiguity attack: choose inputs, ask, call the answers labels.
    let set = try ImageDataset(
      images: honest.images, labels: honest.labels, classNames: task.data.train.classNames)
    let answers = try suspect.predictions(of: set, task.data.normalization, session: session)
    let forged = CarrierSet(
      images: honest.images, labels: answers, groups: honest.groups, rule: honest.rule)
    func share(_ carriers: CarrierSet) throws -> Double {
      try #require(
        try CarrierScore(carriers, normalization: task.data.normalization, access: .labels)
          .score(suspect, session: session))
    }
    #expect(try share(forged) == 1)
    // What a key gives is derived, so the forged labels cannot be claimed.
    #expect(try share(honest) < 0.4)
    #expect(honest.labels != answers)

    // Searching for a lucky secret after the fact gives another commitment than the published one.
    let model = try task.unmarked(seed: 10).checkpoint(data: task.data).modelDigest()
    let published = try #require(try thief.sealed(model).commitment())
    var best = (share: 0.0, key: thief)
    for index in 1...200 {
      let key = try WatermarkKey(
        secret: .published("thief", index), owner: "thief", mark: mark, train: task.data.train)
      let found = try share(#require(try key.carriers()))
      if found > best.share { best = (found, key) }
    }
    #expect(best.share > 0.2, "grinding does find lucky secrets")
    #expect(throws: WatermarkError.self) { try best.key.sealed(model).check(published) }
    #expect(throws: Never.self) { try thief.sealed(model).check(published) }
  }

  @Test("Whoever fits the projection to the weights reads any bits, and no key that gives it")
  func fittedProjection() throws {
    let task = try TinyTask.shared.get()
    let session = try TrainingSession(seed: 0)
    let suspect = try task.unmarked(seed: 9)
    let place = try UchidaOptions(bits: 32).place(in: task.architecture)
    let secret = WatermarkSecret.published("thief", 0)
    let kernel = try #require(suspect.state[place.layer])
    let filter = try withoutGradients { try BitPlace.meanFilter(kernel.detach()).floats() }
    let rows = try place.projection(secret).floats()
    let length = filter.count
    var wrong = 0
    for (bit, wanted) in place.bits(secret).enumerated() {
      var row = Array(rows[bit * length..<(bit + 1) * length])
      func read() -> Bool { zip(row, filter).reduce(0) { $0 + $1.0 * $1.1 } >= 0 }
      if read() != wanted {
        // A free projection is forged by turning a row around.
        row = row.map { -$0 }
        wrong += 1
      }
      #expect(read() == wanted)
    }
    #expect(wrong > 6)
    let honest = try #require(
      try BitScore(place: place, secret: secret).score(suspect, session: session))
    #expect(honest == Double(32 - wrong) / 32)
    #expect(BinomialTail.log10(hits: 32 - wrong, count: 32, chance: 0.5) > -3)
  }

  @Test(
    "Images that the secret does not draw from the owner's data are refused, others not trusted")
  func drawnMaterial() throws {
    let task = try TinyTask.shared.get()
    for scheme in [WatermarkScheme.margin, .rehearsed, .zhangContent, .zhangNoise] {
      let key = try task.key(scheme, .small)
      #expect(try key.isDrawn(from: task.data.train))
      let fewer = try task.data.train.subset(Array(0..<200))
      #expect(try !key.isDrawn(from: fewer), "of other data nothing can be drawn again")
      // The same data, and another's images in the key.
      let other = try task.key(scheme, .small, index: 1)
      var parts = try #require(
        try JSONSerialization.jsonObject(with: JSONEncoder().encode(key)) as? [String: Any])
      parts["material"] = try JSONSerialization.jsonObject(
        with: JSONEncoder().encode(other.material))
      let forged = try JSONDecoder().decode(
        WatermarkKey.self, from: JSONSerialization.data(withJSONObject: parts))
      #expect(throws: WatermarkError.self, "\(scheme)") {
        try forged.isDrawn(from: task.data.train)
      }
    }
    #expect(try task.key(.adi, .small).isDrawn(from: task.data.train.subset([0, 1])))
  }

  @Test("Material that was chosen against models of the task is caught by the null models")
  func chosenMaterial() throws {
    // Carriers that every model of the task answers alike: images of the target class itself.
    let task = try TinyTask.shared.get()
    let session = try TrainingSession(seed: 0)
    let models = try NullModels.shared.get().models
    let suspect = models[9]
    let chosen = CarrierSet(
      images: task.data.train.images, labels: task.data.train.labels,
      groups: task.data.train.labels, rule: .shared)
    let score = CarrierScore(chosen, normalization: task.data.normalization, access: .labels)
    let observed = try #require(try score.score(suspect, session: session))
    let nulls = try models.prefix(9).map { [try #require(try score.score($0, session: session))] }
    #expect(observed > 0.7)
    #expect(RankTest(observed: observed, foreign: [], nulls: nulls, keyRank: .score).p > 0.05)
  }
}
