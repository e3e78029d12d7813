import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining
import Foundation

/// Scores suspects under an owner's key, and everything that such a score must be held against.
///
/// The scores of the null models are computed once, when the verifier is made; `verify` costs one pass
/// over the carriers of every key.
public struct WatermarkVerifier {
  /// The owner's key.
  public let key: WatermarkKey
  /// Keys that nobody chose.
  public let foreign: [WatermarkKey]
  /// Level and access.
  public let options: VerificationOptions
  /// Scores of each null model under the owner's key, then under the foreign keys.
  public let nulls: [[Double]]
  private let data: TrainingData
  private let probe: ImageDataset
  private let session: TrainingSession

  /// Makes the foreign keys and scores the null models.
  ///
  /// - Parameters:
  ///   - key: the owner's, sealed to a model.
  ///   - nulls: models that were trained without any mark.
  ///   - data: what the null models were trained on: foreign keys draw their images there, its test images
  ///     are the clean ones.
  ///   - options: level, number of foreign keys, access.
  ///   - session: device and precision.
  /// - Throws: `WatermarkError`; `TensorError`.
  public init(
    _ key: WatermarkKey, nulls: [ImageClassifier], data: TrainingData,
    options: VerificationOptions = VerificationOptions(), session: TrainingSession
  ) throws {
    try options.validate()
    try key.check(data.train)
    self.key = key
    self.options = options
    self.data = data
    self.session = session
    probe = data.evaluator.test ?? data.train
    foreign = try (0..<options.foreignKeys).map {
      try key.foreign(.published("foreign key", $0), material: data.train)
    }
    let scores = try WatermarkVerifier.scores(
      [key] + foreign, data.normalization, options.access, probe)
    self.nulls = try nulls.map { model in
      try ScoreRow.values(scores, of: model, session: session).compactMap { $0 }
    }.filter { $0.count == scores.count }
  }

  private static func scores(
    _ keys: [WatermarkKey], _ normalization: Normalize, _ access: SuspectAccess,
    _ probe: ImageDataset
  ) throws -> [any WatermarkScore] {
    try keys.map { try $0.score(normalization: normalization, access: access, probe: probe) }
  }

  /// Tests a suspect.
  ///
  /// - Parameters:
  ///   - suspect: a classifier of the key's classes; never changed.
  ///   - normalization: the suspect's own; nil takes that of the data.
  /// - Returns: the evidence and the verdict.
  /// - Throws: `WatermarkError.mismatch`; `TensorError`.
  public func verify(_ suspect: ImageClassifier, normalization: Normalize? = nil) throws
    -> VerificationReport
  {
    try key.check(suspect)
    let normalize = normalization ?? data.normalization
    let scores = try WatermarkVerifier.scores([key] + foreign, normalize, options.access, probe)
    let values = try ScoreRow.values(scores, of: suspect, session: session).compactMap { $0 }
    let predicted = try suspect.predictions(of: probe, normalize, session: session)
    var shares = [Double](repeating: 0, count: key.classes)
    for label in predicted { shares[label] += 1 / Double(predicted.count) }
    let right = zip(predicted, probe.labels).count { $0 == $1 }
    return VerificationReport(
      scheme: key.mark.scheme, owner: key.owner, access: key.usedAccess(options.access),
      level: options.level, metric: scores[0].metric.name, count: scores[0].count,
      rank: values.count == scores.count && nulls.count > 0
        ? RankTest(observed: values[0], foreign: Array(values.dropFirst()), nulls: nulls) : nil,
      counted: try counted(suspect, normalize), cleanAccuracy: Double(right) / Double(probe.count),
      cleanImages: probe.count, classShares: shares)
  }

  /// Hits and, where they are independent, their exact tail; nil for signals.
  private func counted(_ suspect: ImageClassifier, _ normalization: Normalize) throws
    -> VerificationReport.Counted?
  {
    let score = try key.score(normalization: normalization, access: .labels, probe: probe)
    guard !(score is SignalScore), let share = try score.score(suspect, session: session) else {
      return nil
    }
    let hits = Int((share * Double(score.count)).rounded())
    return VerificationReport.Counted(
      hits: hits, count: score.count, chance: score.chance,
      log10P: score.chance.map {
        BinomialTail.log10(hits: hits, count: score.count, chance: $0)
      })
  }
}
