import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkWatermark

/// What models score under many keys, drawn once for every way of asking.
struct ScoreTable {
  /// By access, then model, then key.
  let values: [SuspectAccess: [[Double]]]

  /// Scores under published keys of the same kind as `base`, or what an owner makes of them.
  init(
    _ base: WatermarkKey, _ purpose: String, count: Int, _ models: [ImageClassifier],
    _ accesses: [SuspectAccess], owner: (WatermarkKey) throws -> WatermarkKey = { $0 }
  ) throws {
    let task = try TinyTask.shared.get()
    let session = try TrainingSession(seed: 0)
    var values = accesses.reduce(into: [SuspectAccess: [[Double]]]()) {
      $0[$1] = models.map { _ in [] }
    }
    let sample = try CleanSample(of: task.data.train)
    let rows = models.map { ScoreRow(of: $0, session: session) }
    for start in stride(from: 0, to: count, by: 64) {
      let keys = try (start..<min(count, start + 64)).map {
        try owner(base.foreign(.published(purpose, $0), material: task.data.train))
      }
      // Carriers are drawn once for every way of asking; a score of tilted answers draws its own.
      let sets = try keys.map { $0.readsLean(.both) ? nil : try $0.carriers() }
      for access in accesses {
        let scores: [any WatermarkScore] = try zip(keys, sets).map { key, set in
          if let set {
            return CarrierScore(
              set, normalization: task.data.normalization, access: access, probe: sample)
          }
          return try key.score(
            normalization: task.data.normalization, access: access, probe: sample)
        }
        for (place, row) in rows.enumerated() {
          values[access]?[place] += try row.values(scores).map { try #require($0) }
        }
      }
    }
    self.values = values
  }

  /// One model as the suspect under one of these keys, the other models being null models.
  ///
  /// - Parameters:
  ///   - foreign: scores of the same models.
  ///   - suspect: which model.
  ///   - key: which key.
  ///   - access: how they were asked.
  ///   - scheme: for the report.
  ///   - shared: foreign keys that the owner's must lead, and that null models are scored under; by excess they are
  ///     scored under all.
  ///   - keyRank: how keys are compared on the suspect.
  ///   - isDrawn: whether the key's images were drawn again.
  /// - Returns: what a verifier would report under a commitment.
  /// - Throws: when models were not asked so.
  func report(
    _ foreign: ScoreTable, suspect: Int, key: Int, _ access: SuspectAccess,
    scheme: WatermarkScheme, shared: Int = 99,
    keyRank: RankTest.KeyRank = .score, isDrawn: Bool = true
  ) throws -> VerificationReport {
    let own = try #require(values[access])
    let others = try #require(foreign.values[access])
    let inTable = keyRank == .excess ? others[suspect].count : shared
    let nulls = own.indices.filter { $0 != suspect }
      .map { [own[$0][key]] + others[$0].prefix(inTable) }
    let rank = RankTest(
      observed: own[suspect][key], foreign: Array(others[suspect].prefix(inTable)),
      further: Array(others[suspect].dropFirst(inTable)), nulls: nulls, keyRank: keyRank,
      leading: shared)
    return VerificationReport(
      scheme: scheme, owner: "owner", access: access, level: 1e-3, commitments: 1,
      metric: "score", count: 20, isCommitted: true, isDrawn: isDrawn, rank: rank, counted: nil,
      cleanAccuracy: 0, cleanImages: 1, classShares: [])
  }

  /// Scores that are there already.
  init(_ values: [[Double]], _ access: SuspectAccess) { self.values = [access: values] }
}
