import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation

/// Scores suspects under an owner's key, and everything that such a score must be held against.
///
/// Foreign keys are drawn a few dozen at a time and forgotten once they were asked, so that what stays
/// in memory of each is a number for each model. The null models are scored once, when the verifier is made: (nulls) · (1 +
/// `tableKeys`) keys; a folder keeps their scores for the next one. `verify` asks the suspect about 1 + `allKeys` keys.
public struct WatermarkVerifier {
  /// The owner's key.
  public let key: WatermarkKey
  /// Level, numbers of keys and access.
  public let options: VerificationOptions
  /// Whether the key opened a commitment that was published.
  public let isCommitted: Bool
  /// Whether the key's images and labels are what its secret draws from the data.
  public let isDrawn: Bool
  /// Scores of each null model under the owner's key, then under the foreign keys.
  public let nulls: [[Double]]
  private let foreign: ForeignKeys
  private let data: TrainingData
  private let probe: ImageDataset
  /// What of the probe scores ask about.
  private let sample: CleanSample
  private let session: TrainingSession

  /// Keys whose carriers are kept in memory together.
  private static let keysAtOnce = 64

  /// Holds the key against commitment and data, and scores the null models.
  ///
  /// - Parameters:
  ///   - key: the owner's, sealed to a model.
  ///   - published: the commitment that the owner published before the suspect appeared; nil where there is
  ///     none, and then nothing is ever called derived.
  ///   - nulls: models that were trained without any mark.
  ///   - data: what the null models were trained on: foreign keys draw their images there, its test images
  ///     are the clean ones. Where it is not the owner's training set, the key's images cannot be drawn
  ///     again and are taken for chosen ones.
  ///   - options: level, numbers of foreign keys, access.
  ///   - foreign: foreign keys of this key and these data; nil draws them, which will do where the owner chose
  ///     nothing.
  ///   - cache: folder that keeps what the null models score, for other suspects and for a run after a stop;
  ///     nil keeps nothing.
  ///   - session: device and precision.
  /// - Throws: `WatermarkError.mismatch` where the owner chose directions and foreign keys do not;
  ///   `WatermarkError.commitment` or `.badKey` for a key that was made to fit; `WatermarkError`
  ///   else; `TrainingInterrupted` when the session was asked to stop; `TensorError`.
  public init(
    _ key: WatermarkKey, published: Commitment?, nulls: [ImageClassifier], data: TrainingData,
    options: VerificationOptions = VerificationOptions(), foreign: ForeignKeys? = nil,
    cache: String? = nil, session: TrainingSession
  ) throws {
    try options.validate(key.mark.scheme)
    try key.check(data.train)
    let foreign = try foreign ?? ForeignKeys(of: key, material: data.train)
    guard foreign.areLikeOwners else { throw ForeignKeys.undrawn }
    self.foreign = foreign
    if let published { try key.check(published) }
    self.key = key
    self.options = options
    self.data = data
    self.session = session
    isCommitted = published != nil
    isDrawn = try key.isDrawn(from: data.train)
    let probe = data.evaluator.test ?? data.train
    self.probe = probe
    // Once for all keys.
    let sample = try key.sample(of: probe, reading: options.reading)
    self.sample = sample
    let table = try NullTable(
      of: nulls, keptIn: cache, range: key.scoreRange(options.reading)
    ) {
      [
        "key": .string(try key.contents().description), "foreign": try foreign.identity(),
        "normalization": try JSONValue(encoding: data.normalization),
        "access": .string(key.usedAccess(options.access).rawValue),
        "reading": .string(options.reading.rawValue),
        "clean": .string(try sample.images.fingerprint),
        "precision": .string(session.precision.rawValue),
        "device": .string(session.device.description),
      ]
    }
    self.nulls = try WatermarkVerifier.rows(nulls, table, keys: options.tableKeys, session) {
      try WatermarkVerifier.score($0, key, foreign, data.normalization, options, sample)
    }
  }

  /// The score of the owner's key, number 0, or of a foreign one.
  private static func score(
    _ number: Int, _ key: WatermarkKey, _ foreign: ForeignKeys, _ normalization: Normalize,
    _ options: VerificationOptions, _ sample: CleanSample
  ) throws -> any WatermarkScore {
    let asked = number == 0 ? key : try foreign.key(number - 1)
    return try asked.score(
      normalization: normalization, access: options.access, probe: sample,
      reading: options.reading)
  }

  /// A row for each model that has a place for the mark: the owner's key, then `keys` foreign ones.
  private static func rows(
    _ models: [ImageClassifier], _ kept: NullTable, keys: Int, _ session: TrainingSession,
    _ score: (Int) throws -> any WatermarkScore
  ) throws -> [[Double]] {
    let asked = models.map { ScoreRow(of: $0, session: session) }
    var table = kept
    let turns = turns(keys: keys).map { turn in
      (turn, lacking: table.rows.indices.filter { table.rows[$0].count < turn.upperBound })
    }.filter { !$0.lacking.isEmpty }
    let steps = turns.reduce(0) { $0 + $1.lacking.count }
    var progress =
      steps > 0 ? ScoringProgress(session, stage: ScoringProgress.nullModels, steps: steps) : nil
    // Also where it is stopped.
    defer { if steps > 0 { table.keep() } }
    for (turn, lacking) in turns {
      let scores = try turn.map(score)
      for place in lacking {
        let missing = Array(scores.dropFirst(table.rows[place].count - turn.lowerBound))
        table.add(try asked[place].values(missing), to: place)
        try progress?.advance(keys: missing.count)
      }
    }
    return table.rows.map { $0.prefix(keys + 1).compactMap { $0 } }.filter { $0.count == keys + 1 }
  }

  /// The row of a suspect; nil where it has no place for the mark.
  private static func row(
    keys: Int, _ session: TrainingSession, _ score: (Int) throws -> any WatermarkScore,
    _ asked: ScoreRow
  ) throws -> [Double]? {
    var row: [Double] = []
    let turns = turns(keys: keys)
    var progress = ScoringProgress(session, stage: ScoringProgress.suspect, steps: turns.count)
    for turn in turns {
      row += try asked.values(turn.map(score)).compactMap { $0 }
      try progress.advance(keys: turn.count)
    }
    return row.count == keys + 1 ? row : nil
  }

  /// The owner's key, number 0, and `keys` foreign ones, a few dozen at a time.
  private static func turns(keys: Int) -> [Range<Int>] {
    stride(from: 0, through: keys, by: keysAtOnce).map { $0..<min(keys + 1, $0 + keysAtOnce) }
  }

  /// Tests a suspect.
  ///
  /// - Parameters:
  ///   - suspect: a classifier of the key's classes; never changed.
  ///   - normalization: the suspect's own; nil takes that of the data.
  /// - Returns: the evidence and the verdict.
  /// - Throws: `WatermarkError.mismatch`; `.notFinite` for a suspect whose answers are no numbers;
  ///   `TrainingInterrupted` when the session was asked to stop; `TensorError`.
  public func verify(_ suspect: ImageClassifier, normalization: Normalize? = nil) throws
    -> VerificationReport
  {
    try key.check(suspect)
    let normalize = normalization ?? data.normalization
    return try report(
      normalize, probe: probe,
      predictions: suspect.predictions(of: probe, normalize, session: session),
      ScoreRow(of: suspect, session: session))
  }

  /// Tests a suspect that is only served, by its answers to a query set.
  ///
  /// - Parameter suspect: queries and answers. Ordinary images are at most as many as scores ask about
  ///   (`WatermarkKey.sample`).
  /// - Returns: the evidence and the verdict.
  /// - Throws: `WatermarkError.mismatch` for a mark in weights, for answers of other classes, for images
  ///   that were not asked about, and where labels alone were answered but more is looked for;
  ///   `TrainingInterrupted` when the session was asked to stop.
  public func verify(_ suspect: ServedSuspect) throws -> VerificationReport {
    guard suspect.classes == key.classes else {
      throw WatermarkError.mismatch(
        "the suspect has \(suspect.classes) classes, the key \(key.classes)")
    }
    guard suspect.access == .logits || key.usedAccess(options.access) == .labels else {
      throw WatermarkError.mismatch(
        "the suspect answered labels, but probabilities are needed (evidence.access)")
    }
    let predicted = try suspect.answers(to: sample.images).argmax(1).integers()
    return try report(
      data.normalization, probe: sample.images, predictions: predicted,
      ScoreRow(asking: suspect.answers))
  }

  /// Everything that is told of a suspect.
  ///
  /// - Parameters:
  ///   - normalize: the suspect's.
  ///   - probe: ordinary images.
  ///   - predicted: the suspect's first answers to them.
  ///   - asked: the suspect's scores.
  /// - Returns: the evidence and the verdict.
  /// - Throws: what asking throws; `WatermarkError.noImages`; `TensorError`.
  private func report(
    _ normalize: Normalize, probe: ImageDataset, predictions predicted: [Int],
    _ asked: ScoreRow
  ) throws -> VerificationReport {
    func score(_ number: Int) throws -> any WatermarkScore {
      try Self.score(number, key, foreign, normalize, options, sample)
    }
    let row = try Self.row(keys: options.allKeys, session, score, asked)
    let own = try score(0)
    var shares = [Double](repeating: 0, count: key.classes)
    for label in predicted { shares[label] += 1 / Double(predicted.count) }
    let right = zip(predicted, probe.labels).count { $0 == $1 }
    return VerificationReport(
      scheme: key.mark.scheme, owner: key.owner, access: key.usedAccess(options.access),
      level: options.level, commitments: options.commitments, metric: own.metric.name,
      count: own.count, isCommitted: isCommitted, isDrawn: isDrawn,
      rank: nulls.isEmpty
        ? nil
        : row.map {
          RankTest(
            observed: $0[0], foreign: Array($0[1...options.tableKeys]),
            further: Array($0.dropFirst(options.tableKeys + 1)), nulls: nulls,
            keyRank: options.keyRank, leading: options.foreignKeys)
        },
      counted: try counted(normalize, asked), cleanAccuracy: Double(right) / Double(probe.count),
      cleanImages: probe.count, classShares: shares)
  }

  /// Hits and, where they are independent whatever the owner did, their exact tail; nil for signals, and where carriers
  /// are not to be asked about.
  private func counted(_ normalization: Normalize, _ asked: ScoreRow) throws
    -> VerificationReport.Counted?
  {
    guard options.reading != .answers, let score = try key.hits(normalization) else { return nil }
    let kinds = try (score as? CarrierScore)?.hitsByKind() ?? []
    let shares = try asked.values([score] + kinds.map(\.score))
    guard let share = shares[0] else { return nil }
    var all = counted(score, share)
    if !kinds.isEmpty {
      all.kinds = Dictionary(
        uniqueKeysWithValues: zip(kinds, shares.dropFirst()).map {
          ($0.kind, counted($0.score, $1 ?? 0))
        })
    }
    return all
  }

  private func counted(_ score: any WatermarkScore, _ share: Double) -> VerificationReport.Counted {
    let hits = Int((share * Double(score.count)).rounded())
    var counted = VerificationReport.Counted(hits: hits, count: score.count)
    switch score.chance {
    case nil: counted.withheld = .sharedLabels
    case _ where !isCommitted: counted.withheld = .notCommitted
    // A wrong label is drawn relative to the true one, and that is the owner's word.
    case _ where !isDrawn: counted.withheld = .notDrawn
    case .some(let chance):
      counted.chance = chance
      counted.log10P = BinomialTail.log10(hits: hits, count: score.count, chance: chance)
    }
    return counted
  }
}
