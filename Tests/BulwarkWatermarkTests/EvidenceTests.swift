import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkWatermark

@Suite("Evidence")
struct EvidenceTests {
  @Test(
    "The binomial tail has the thresholds of the tables, and stays exact far below the smallest number"
  )
  func binomial() {
    for (chance, hits) in [(0.1, [16, 21, 28]), (0.2, [28, 34, 42]), (0.3, [39, 46, 54])] {
      let found = [0.05, 1e-3, 1e-6].map {
        BinomialTail.threshold(level: $0, count: 100, chance: chance)
      }
      #expect(found == hits)
    }
    #expect(BinomialTail.log10(hits: 0, count: 10, chance: 0.5) == 0)
    #expect(abs(BinomialTail.log10(hits: 10, count: 10, chance: 0.5) - 10 * log10(0.5)) < 1e-12)
    // 11/1024: ten or nine heads of ten.
    #expect(abs(BinomialTail.log10(hits: 9, count: 10, chance: 0.5) - log10(11.0 / 1024)) < 1e-12)
    let tiny = BinomialTail.log10(hits: 1000, count: 1000, chance: 0.001)
    #expect(abs(tiny + 3000) < 1e-9)
    #expect(BinomialTail.threshold(level: 1e-6, count: 5, chance: 0.5) == nil)
  }

  @Test("Ranks count ties against the owner and cannot go below one cell")
  func ranks() {
    let test = RankTest(
      observed: 0.9, foreign: [0.1, 0.9], nulls: [[0.2, 0.3, 0.95], [0, 0, 0]], keyRank: .score)
    #expect(test.cells == 9)
    #expect(test.smallestP == 1.0 / 9)
    #expect(test.modelP == 1.0 / 3)
    #expect(test.keyP == 2.0 / 3)
    #expect(!test.isLargestOfItsRowAndColumn)
    #expect(RankTest.p(1, among: []) == 1)
    // Without foreign keys or null models the scores themselves are ranked.
    #expect(
      RankTest(observed: 0.9, foreign: [], nulls: [[0.2], [0.9], [0.1]], keyRank: .score).p == 0.5)
    #expect(
      RankTest(observed: 0.9, foreign: [0.2, 0.3, 0.1], nulls: [], keyRank: .score).p == 0.25)
    // All alike: no evidence.
    #expect(RankTest(observed: 1, foreign: [1, 1], nulls: [[1, 1, 1]], keyRank: .score).p == 1)
  }

  @Test(
    "Keys can be compared by what the suspect says beyond null models: easy keys stand out less")
  func keysByExcess() {
    // The second key is easy: every model answers 0.3 of it.
    func test(_ rank: RankTest.KeyRank, _ observed: Double = 0.4) -> RankTest {
      RankTest(
        observed: observed, foreign: [0.45, 0.2], nulls: [[0.1, 0.25, 0.1], [0.1, 0.35, 0.1]],
        keyRank: rank)
    }
    #expect(test(.score).keyP == 2.0 / 3 && !test(.score).isLargestOfItsRowAndColumn)
    #expect(test(.excess).keyP == 1.0 / 3 && test(.excess).isLargestOfItsRowAndColumn)
    #expect(test(.score).p == test(.excess).p)
    // Beyond null models 0.15 and less are reached; ties and what is no number count against the owner.
    #expect(test(.excess, 0.24).keyP == 2.0 / 3 && test(.excess, 0.15).keyP == 1)
    #expect(test(.excess, .nan).keyP == 1)
    // Six of twenty carriers against two on average is no more than four against none, whatever is rounded.
    for (own, mean, other) in [(0.3, 0.1, 0.2), (0.8, 0.6, 0.2), (0.9, 0.7, 0.2)] {
      let tie = RankTest(
        observed: own, foreign: [other], nulls: [[mean, 0], [mean, 0]], keyRank: .excess)
      #expect(tie.keyP == 1 && !tie.isLargestOfItsRowAndColumn && tie.p > 1.0 / 6)
    }
    #expect(
      RankTest(observed: 0.9, foreign: [0.1, 0.2], nulls: [], keyRank: .excess).keyP == 1.0 / 3)
  }

  @Test("Of many foreign keys a level lets some do as well, but none of the first that must be led")
  func leading() {
    // The owner's key is third of 1,000 beyond null models that say nothing.
    func rank(better: [Int]) -> RankTest {
      let foreign = (0..<999).map { better.contains($0) ? 0.6 : 0.1 }
      return RankTest(
        observed: 0.5, foreign: foreign, nulls: [[Double](repeating: 0, count: 1000)],
        keyRank: .excess, leading: 49)
    }
    func verdict(_ rank: RankTest, level: Double) -> VerificationReport.Verdict {
      VerificationReport(
        scheme: .adi, owner: "", access: .logits, level: level, commitments: 1, metric: "",
        count: 1,
        isCommitted: true, isDrawn: true, rank: rank, counted: nil, cleanAccuracy: 1,
        cleanImages: 1, classShares: []
      ).verdict
    }
    let late = rank(better: [49, 998])
    #expect(late.keyP == 0.003 && late.isLargestOfItsRowAndColumn)
    #expect(verdict(late, level: 0.003) == .derived && verdict(late, level: 0.002) == .notShown)
    #expect(verdict(rank(better: [48, 998]), level: 0.003) == .notShown)
  }

  @Test(
    "By excess, too, an innocent suspect of any spread passes a level no more often than it says")
  func excessLevel() throws {
    let (tables, keys, models) = (2000, 19, 3)
    var passed = 0
    for number in 0..<tables {
      let key = RandomKey(seed: 7).step(number)
      let easy = try key.stream("keys").normal([keys + 1]).doubles()
      let noise = try key.stream("cells").normal([(models + 1) * (keys + 1)]).doubles()
      func row(_ model: Int, spread: Double) -> [Double] {
        easy.indices.map { easy[$0] + spread * noise[model * (keys + 1) + $0] }
      }
      // The suspect is no model like the null models: it scatters three times as much.
      let suspect = row(0, spread: 1.5)
      let rank = RankTest(
        observed: suspect[0], foreign: Array(suspect.dropFirst()),
        nulls: (1...models).map { row($0, spread: 0.5) }, keyRank: .excess)
      passed += rank.keyP <= 0.05 ? 1 : 0
    }
    // 100 on average, standard deviation 10.
    #expect((60...135).contains(passed), "\(passed)")
  }

  @Test(
    "A suspect that spreads more, or less, over foreign keys than every null model is warned of")
  func spread() {
    func report(_ foreign: [Double]) -> VerificationReport {
      let rank = RankTest(
        observed: 0.5, foreign: foreign, nulls: [[0.2, 0.4, 0.5, 0.6], [0.2, 0.3, 0.5, 0.7]],
        keyRank: .score)
      return VerificationReport(
        scheme: .adi, owner: "", access: .logits, level: 0.1, commitments: 1, metric: "", count: 1,
        isCommitted: true, isDrawn: true, rank: rank, counted: nil, cleanAccuracy: 1,
        cleanImages: 1, classShares: [])
    }
    // The null models deviate by 0.1 and 0.2, whatever they say under the owner's key.
    for (foreign, isOutside) in [
      ([0.5, 0.5, 0.5], true), ([0.45, 0.5, 0.55], true), ([0.35, 0.5, 0.65], false),
      ([0.65, 0.8, 0.95], false), ([0.2, 0.5, 0.8], true),
    ] {
      let report = report(foreign)
      #expect(report.rank?.isSpreadOutside == isOutside, "\(foreign)")
      #expect(report.warnings.count == (isOutside ? 1 : 0), "\(foreign)")
    }
    #expect(report([0.2, 0.5, 0.8]).warnings.first?.contains("0.3") == true)
    #expect(
      !RankTest(observed: 0.5, foreign: [0.1], nulls: [[0.2, 0.4]], keyRank: .score).isSpreadOutside
    )
  }

  @Test("What is no number counts against the owner, and a suspect without numbers is refused")
  func notANumber() throws {
    let broken = RankTest(
      observed: .nan, foreign: [0.1, 0.2], nulls: [[0.2, 0.1, 0.1]], keyRank: .score)
    #expect(broken.p == 1 && broken.keyP == 1 && broken.modelP == 1)
    #expect(!broken.isLargestOfItsRowAndColumn)
    let other = RankTest(
      observed: 0.9, foreign: [.nan, 0.2], further: [0.1], nulls: [[.infinity, 0.1, 0.1]],
      keyRank: .score)
    #expect(other.p == 1 && other.keyP == 0.5 && other.modelP == 1)

    let task = try TinyTask.shared.get()
    let diverged = try task.architecture.build(key: RandomKey(seed: 0))
    try withoutGradients {
      let bias = diverged.head.bias
      try bias.copy(from: Tensor([Float](repeating: .nan, count: bias.count)))
    }
    let score = try task.key(.zhangContent, .small).score(
      normalization: task.data.normalization, access: .logits,
      probe: CleanSample(of: task.data.train))
    #expect(throws: WatermarkError.notFinite("the carrier_probability of a model")) {
      try ScoreRow(of: diverged, session: TrainingSession(seed: 0)).values([score])
    }
  }

  @Test("Whoever published several commitments is held to a share of the level with each of them")
  func commitments() {
    // One cell of twelve, and one key of twenty.
    let rank = RankTest(
      observed: 0.9, foreign: [0.1, 0.2, 0.1], further: [Double](repeating: 0.1, count: 16),
      nulls: [[0.2, 0.1, 0.2, 0.1], [0.1, 0.1, 0.2, 0.1]], keyRank: .score)
    func report(_ commitments: Int) -> VerificationReport {
      VerificationReport(
        scheme: .adi, owner: "owner", access: .logits, level: 0.1, commitments: commitments,
        metric: "score", count: 1, isCommitted: true, isDrawn: true, rank: rank, counted: nil,
        cleanAccuracy: 1, cleanImages: 1, classShares: [])
    }
    #expect(report(1).verdict == .derived)
    #expect(report(1).sentence.contains("level 0.1 for one commitment"))
    #expect(report(2).verdict == .notShown)
    #expect(report(2).sentence.contains("level 0.1 for 2 commitments, 0.05 for each"))
    #expect(report(2).sentence.contains("cannot reach the level"))
    #expect(VerificationOptions(level: 0.1, commitments: 4).testedLevel == 0.025)
    #expect(throws: RecipeError.self) { try VerificationOptions(commitments: 0).validate() }
  }

  @Test("What helps every key on one model, or one key on every model, is no evidence")
  func excess() {
    // A sharp model: everything is a little higher, the owner's key no more than others.
    let sharp = RankTest(
      observed: 0.6, foreign: [0.6, 0.59, 0.61],
      nulls: [[0.2, 0.2, 0.19, 0.21], [0.1, 0.1, 0.1, 0.1]], keyRank: .score)
    #expect(sharp.p > 0.2)
    // An easy key: every model answers it.
    let easy = RankTest(
      observed: 0.9, foreign: [0.1, 0.2, 0.1],
      nulls: [[0.9, 0.1, 0.2, 0.1], [0.88, 0.1, 0.15, 0.1]], keyRank: .score)
    #expect(easy.p > 0.2)
    // A mark: this key on this model.
    let mark = RankTest(
      observed: 0.9, foreign: [0.1, 0.2, 0.1],
      nulls: [[0.2, 0.1, 0.2, 0.1], [0.1, 0.1, 0.2, 0.1]], keyRank: .score)
    #expect(mark.p == 1.0 / 12)
    #expect(mark.isLargestOfItsRowAndColumn)
    let sums = mark.excess.map { $0.reduce(0, +) }
    #expect(sums.allSatisfy { abs($0) < 1e-12 })
  }

  @Test(
    "Exchangeable tables give p at most α no more often than α, whatever rows and columns share")
  func valid() {
    var generator = RandomKey(seed: 12).generator()
    func normal() -> Double {
      (0..<12).reduce(0) { sum, _ in sum + generator.uniform() } - 6
    }
    let tables = 2000
    var claims = [0.05: 0, 0.01: 0]
    for _ in 0..<tables {
      // Strong effects of models (a class-prior shift) and of keys (easy carriers), little noise.
      let rows = (0..<6).map { _ in normal() }
      let columns = (0..<20).map { _ in normal() }
      let cells = rows.map { row in columns.map { row + $0 + 0.3 * normal() } }
      let test = RankTest(
        observed: cells[0][0], foreign: Array(cells[0].dropFirst()),
        nulls: Array(cells.dropFirst()), keyRank: .score)
      for level in claims.keys where test.p <= level { claims[level, default: 0] += 1 }
    }
    // Three standard errors above the level at most.
    for (level, count) in claims {
      let slack = 3 * (level * (1 - level) / Double(tables)).squareRoot()
      #expect(Double(count) / Double(tables) <= level + slack)
    }
  }
}

/// Ten models without a mark, trained once for all tests.
struct NullModels {
  let models: [ImageClassifier]

  /// Only read: scoring leaves a model as it was.
  nonisolated(unsafe) static let shared = Result { try NullModels() }

  private init() throws {
    let task = try TinyTask.shared.get()
    models = try (0..<10).map { try task.unmarked(seed: 100 + UInt64($0), epochs: 8) }
  }
}

@Suite("False claims")
struct FalseClaimTests {
  /// Each of ten models plays the suspect under twenty owners' keys, the nine others being the null models,
  /// with 99 foreign keys for all, tables of 1,000 cells, and 999 for the suspect, or by excess 999 for all: 200 pairs.
  @Test(
    "Models without the mark are called derived no more often than the level says, whatever is asked",
    arguments: WatermarkScheme.allCases)
  func rate(_ scheme: WatermarkScheme) throws {
    let task = try TinyTask.shared.get()
    let models = try NullModels.shared.get().models
    var options = WatermarkOptions.small
    options.carriers.count = 12
    let base = try task.key(scheme, options)
    let accesses: [SuspectAccess] = scheme.hasCarriers ? [.logits, .labels] : [.logits]
    let owners = try ScoreTable(base, "claimed key", count: 20, models, accesses)
    let foreign = try ScoreTable(base, "foreign key", count: 999, models, accesses)
    for access in accesses {
      var byExcess: [VerificationReport] = []
      var reports: [VerificationReport] = []
      for suspect in models.indices {
        for key in 0..<20 {
          reports.append(
            try owners.report(foreign, suspect: suspect, key: key, access, scheme: scheme))
          byExcess.append(
            try owners.report(
              foreign, suspect: suspect, key: key, access, scheme: scheme, keyRank: .excess))
        }
      }
      #expect(reports.count == 200)
      #expect(reports.allSatisfy { $0.rank?.cells == 1000 && $0.rank?.foreignKeys == 999 })
      // p itself keeps its promise on average; cells of a table depend on each other, hence the room.
      for level in [0.01, 0.05] {
        let below = reports.count { ($0.rank?.p ?? 0) <= level }
        #expect(Double(below) <= 2.5 * level * 200, "\(below) of 200 at \(level), \(access)")
      }
      // A verdict wants more than p, from the table and among the keys: claims stay at or below the level.
      for level in [0.01, 0.05] {
        for reports in [reports, byExcess] {
          let claims = reports.count { report in
            report.rank.map { $0.shows(level: level) && $0.keyP <= level } == true
          }
          #expect(Double(claims) <= level * 200, "\(claims) claims at \(level), \(access)")
        }
      }
      // Alone, as p, with room: one suspect may like many keys.
      for level in [0.01, 0.05] {
        let below = byExcess.count { ($0.rank?.keyP ?? 0) <= level }
        #expect(
          Double(below) <= 2.5 * level * 200, "\(below) of 200 by excess at \(level), \(access)")
      }
      // At 1e-3 a fifth of a claim is expected; more than one has probability below 0.02.
      #expect(reports.count { $0.verdict == .derived } <= 1, "\(access)")
      #expect(byExcess.allSatisfy { $0.rank?.cells == 10_000 && $0.rank?.foreignKeys == 999 })
      #expect(byExcess.count { $0.verdict == .derived } <= 1, "\(access), by excess")
    }
  }

  @Test("A binomial p on shared labels would accuse innocent models: it is not given")
  func sharedLabels() throws {
    let task = try TinyTask.shared.get()
    let models = try NullModels.shared.get().models
    let session = try TrainingSession(seed: 0)
    let base = try task.key(.zhangUnrelated, .small)
    var accusations = 0
    for index in 0..<20 {
      let key = try base.foreign(.published("claimed key", index), material: task.data.train)
      let score = try key.score(
        normalization: task.data.normalization, access: .labels,
        probe: CleanSample(of: task.data.train))
      #expect(score.chance == nil)
      for model in models {
        let hits = try Int((#require(try score.score(model, session: session)) * 30).rounded())
        if BinomialTail.log10(hits: hits, count: 30, chance: 0.1) <= -3 { accusations += 1 }
      }
    }
    #expect(accusations > 2, "of 200 pairs, where the level promises a fifth of one")
  }
}
