import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkWatermark

@Suite("What a claim withstands")
struct ClaimLevelTests {
  @Test(
    "Innocent suspects that were trained otherwise than the null models are not claimed beyond the level",
    arguments: [WatermarkScheme.adi, .rehearsed])
  func otherPopulation(_ scheme: WatermarkScheme) throws {
    let task = try TinyTask.shared.get()
    let nulls = try NullModels.shared.get().models
    let more = try DataSource.load("digits", options: DataOptions(limit: 900, testLimit: 100))
    let suspects = try (0..<2).map { index in
      let trainer = try SupervisedTrainer(
        task.architecture, data: TrainingData(train: more.train, evaluator: task.data.evaluator),
        options: task.training(epochs: 10), augmentation: task.augmentation,
        session: TrainingSession(seed: 400 + UInt64(index)))
      _ = try trainer.run()
      return trainer.model
    }
    let base = try task.key(scheme, .small)
    let owners = try ScoreTable(base, "claimed key", count: 490, nulls + suspects, [.logits])
    let foreign = try ScoreTable(base, "foreign key", count: 999, nulls + suspects, [.logits])
    var (claims, byTable, byExcess) = (0, 0, 0)
    for suspect in [10, 11] {
      let rows = Array(0..<10) + [suspect]
      func only(_ table: ScoreTable) throws -> ScoreTable {
        let all = try #require(table.values[.logits])
        return ScoreTable(rows.map { all[$0] }, .logits)
      }
      let (own, others) = (try only(owners), try only(foreign))
      for key in 0..<490 {
        let report = try own.report(
          others, suspect: 10, key: key, .logits, scheme: scheme)
        let rank = try #require(report.rank)
        #expect(rank.cells == 1100)
        // Whether they spread more than every null model depends on the processor's rounding; what the
        // report then says does not.
        #expect(report.warnings.count == (rank.isSpreadOutside ? 1 : 0))
        if rank.p <= 1e-3, rank.isLargestOfItsRowAndColumn { byTable += 1 }
        if report.verdict == .derived { claims += 1 }
        let excess = try own.report(
          others, suspect: 10, key: key, .logits, scheme: scheme, keyRank: .excess)
        if excess.verdict == .derived { byExcess += 1 }
      }
    }
    // 980 pairs at 1e-3: one claim is expected. On one suspect k of 490 keys beat all of 999 with
    // probability (490/1489)^k, so that seven or more in two suspects have probability 0.003.
    #expect(claims <= 6, "\(claims) of 980 claimed; \(byTable) by the table alone")
    #expect(byExcess <= 6, "\(byExcess) of 980 claimed by excess")
  }

  @Test(
    "Keys whose directions an unmarked network chose rank among others as drawn ones do, if these choose, too"
  )
  func chosenDirections() throws {
    let task = try TinyTask.shared.get()
    let models = try NullModels.shared.get().models
    let session = try TrainingSession(seed: 0)
    // The owner's own unmarked network and the judge's are none of the suspects.
    func chooser(_ seed: UInt64) throws -> ChoosingModel {
      let trainer = try SupervisedTrainer(
        task.architecture, data: task.data, options: task.training(epochs: 10),
        augmentation: task.augmentation, session: TrainingSession(seed: seed))
      _ = try trainer.run()
      return ChoosingModel(
        trainer.model, normalization: task.data.normalization, session: session)
    }
    let (owner, judge) = (try chooser(500), try chooser(501))
    let base = try task.key(.tilted, .small)
    func table(_ purpose: String, _ count: Int, _ chooser: ChoosingModel?) throws -> ScoreTable {
      try ScoreTable(base, purpose, count: count, models, [.logits]) { key in
        guard let chooser else { return key }
        return try key.choosing(ForeignKeys.choice(of: key, chooser))
      }
    }
    let keys = 120
    let owners = try table("claimed key", keys, owner)
    func ranks(_ foreign: ScoreTable, _ keyRank: RankTest.KeyRank) throws -> [RankTest] {
      try models.indices.flatMap { suspect in
        try (0..<keys).map { key in
          try #require(
            owners.report(
              foreign, suspect: suspect, key: key, .logits, scheme: .tilted, keyRank: keyRank
            ).rank)
        }
      }
    }
    let (choosing, drawing) = (
      try table("foreign key", 399, judge), try table("foreign key", 399, nil)
    )
    let (chosen, drawn) = (try ranks(choosing, .score), try ranks(drawing, .score))
    let excess = try ranks(choosing, .excess)
    for level in [0.05, 0.01] {
      func counts(_ ranks: [RankTest]) -> (keys: Int, table: Int, claims: Int) {
        (
          ranks.count { $0.keyP <= level }, ranks.count { $0.p <= level },
          ranks.count { $0.keyP <= level && $0.p <= level && $0.isLargestOfItsRowAndColumn }
        )
      }
      let (fair, unfair, beyond) = (counts(chosen), counts(drawn), counts(excess))
      let pairs = Double(keys * models.count)
      print(
        "at \(level), of \(pairs) pairs: among chosen keys \(fair), by excess \(beyond), among drawn \(unfair)"
      )
      // Models answer shading alike, so that there are not many more independent pairs than keys.
      #expect(Double(fair.keys) <= 1.7 * level * pairs)
      #expect(Double(fair.table) <= 1.7 * level * pairs)
      #expect(Double(fair.claims) <= level * pairs)
      #expect(Double(beyond.keys) <= 1.7 * level * pairs)
      #expect(Double(beyond.claims) <= level * pairs)
      #expect(fair.keys <= unfair.keys && fair.table <= unfair.table)
    }
  }

  @Test(
    "A key of one ambiguous picture is lucky with one model in as many as there are, and claims nothing"
  )
  func chosenPicture() throws {
    let task = try TinyTask.shared.get()
    let session = try TrainingSession(seed: 0)
    let models = try NullModels.shared.get().models
    let test = try #require(task.data.evaluator.test)
    let logits = try models.map {
      try $0.logits(of: test, task.data.normalization, session: session).softmax(1)
    }
    let classes = test.classCount
    let probabilities = try logits.map { try $0.floats().map(Double.init) }
    // Pictures whose second answer models disagree about most: one picture serves as every carrier.
    let candidates = (0..<test.count).map { image -> (image: Int, label: Int, gap: Double) in
      let means = (0..<classes).map { label in
        probabilities.reduce(0) { $0 + $1[image * classes + label] } / Double(models.count)
      }
      let order = (0..<classes).sorted { means[$0] > means[$1] }
      return (image, order[1], means[order[0]] - means[order[1]])
    }.sorted { $0.gap < $1.gap }.prefix(20)
    let own = ScoreTable(
      probabilities.map { row in candidates.map { row[$0.image * classes + $0.label] } }, .logits)
    let base = try task.key(.adi, .small)
    let foreign = try ScoreTable(base, "foreign key", count: 999, models, [.logits])
    var (chosen, drawn) = (0, 0)
    for suspect in models.indices {
      for key in candidates.indices {
        let forged = try own.report(
          foreign, suspect: suspect, key: key, .logits, scheme: .adi, isDrawn: false)
        #expect(forged.sentence.contains("against a chosen key the evidence is"))
        if forged.verdict == .derived { chosen += 1 }
        // Were it drawn from the data by the secret, one pair of ten could be claimed.
        let trusted = try own.report(foreign, suspect: suspect, key: key, .logits, scheme: .adi)
        if trusted.verdict == .derived {
          drawn += 1
          #expect(trusted.sentence.contains("against a chosen key the evidence is 1 in 10"))
          #expect(forged.sentence.contains("count as chosen"))
        }
      }
    }
    #expect(chosen == 0)
    #expect(drawn > 0 && drawn <= candidates.count, "\(drawn) of 200")
    print("chosen picture: \(drawn) of 200 when taken for drawn, \(chosen) when chosen")
  }

  @Test(
    "Of keys that an owner chose because models like them most rank high by score, few by excess")
  func likedKeys() throws {
    let task = try TinyTask.shared.get()
    let models = try NullModels.shared.get().models
    let table = try ScoreTable(
      task.key(.zhangContent, .small), "foreign key", count: 400, models, [.logits])
    let scores = try #require(table.values[.logits])
    var among = [RankTest.KeyRank.score: 0, .excess: 0]
    for suspect in models.indices {
      let nulls = models.indices.filter { $0 != suspect }.map { scores[$0] }
      let means = scores[suspect].indices.map { key in nulls.reduce(0) { $0 + $1[key] } }
      // Tried on the judge's null models, and on none else: one key in fifty.
      for own in means.indices.sorted(by: { means[$0] > means[$1] }).prefix(8) {
        func ownFirst(_ row: [Double]) -> [Double] {
          [row[own]] + row.indices.filter { $0 != own }.map { row[$0] }
        }
        let row = ownFirst(scores[suspect])
        for keyRank in among.keys {
          let rank = RankTest(
            observed: row[0], foreign: Array(row.dropFirst()), nulls: nulls.map(ownFirst),
            keyRank: keyRank)
          among[keyRank, default: 0] += rank.keyP <= 0.05 ? 1 : 0
        }
      }
    }
    let (byScore, byExcess) = (among[.score] ?? 0, among[.excess] ?? 0)
    print(
      "of 80 keys that null models like, among the best 5 %: by score \(byScore), by excess \(byExcess)"
    )
    // Four are expected of drawn keys.
    #expect(byScore > 30 && byExcess < byScore / 2)
  }

  @Test("A thief who also teaches the model keys that anybody can make does not stop the claim")
  func plantedForeignKey() throws {
    let task = try TinyTask.shared.get()
    let key = try task.key(.adi, .small)
    let planted = try key.foreign(.published("foreign key", 0), material: task.data.train)
    let sets = try [key, planted].map { try #require(try $0.carriers()) }
    let copies = 5
    let train = try ImageDataset(
      images: Tensor.cat(
        [task.data.train.images] + sets.flatMap { [Tensor](repeating: $0.images, count: copies) }),
      labels: task.data.train.labels
        + sets.flatMap { [[Int]](repeating: $0.labels, count: copies).flatMap { $0 } },
      classNames: task.data.train.classNames)
    let trainer = try SupervisedTrainer(
      task.architecture, data: TrainingData(train: train, evaluator: task.data.evaluator),
      options: task.training(epochs: 30), augmentation: task.augmentation,
      session: TrainingSession(seed: 5))
    _ = try trainer.run()
    let suspect = trainer.model
    let sealed = key.sealed(try suspect.checkpoint(data: task.data).modelDigest())
    let session = try TrainingSession(seed: 0)
    let verifier = try WatermarkVerifier(
      sealed, published: sealed.commitment(), nulls: NullModels.shared.get().models,
      data: task.data,
      options: VerificationOptions(foreignKeys: 99, access: .labels, keyRank: .score),
      session: session)
    let report = try verifier.verify(suspect)
    let rank = try #require(report.rank)
    func score(_ key: WatermarkKey) throws -> Double? {
      try key.score(
        normalization: task.data.normalization, access: .labels,
        probe: CleanSample(of: task.data.train)
      ).score(suspect, session: session)
    }
    // Held against the planted key, which was once foreign key 0 of everybody, the claim would end.
    #expect(try score(planted) ?? 0 >= rank.observed)
    #expect(report.verdict == .derived, "\(report.sentence)")
    // What it is held against instead follows from the committed secret.
    #expect(try score(key.foreign(0, material: task.data.train)) == rank.foreign[0])
    #expect(try score(key.foreign(998, material: task.data.train)) == rank.further.last)
  }
}
