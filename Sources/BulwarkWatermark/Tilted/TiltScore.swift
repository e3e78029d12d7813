import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// What of a mark of tilted answers is read.
public enum TiltReading: String, Hashable, Sendable, Codable, CaseIterable {
  /// Carriers and the lean of answers to ordinary images.
  case both
  /// Carriers alone, each counted once, as for other schemes.
  case carriers
  /// The lean alone: nobody who is asked can tell by the images that a mark is looked for.
  case answers
}

/// The score of tilted answers: what a suspect says to carriers, asked for along all directions, and how far its answers
/// to ordinary images lean.
///
///     score = Σ over kinds of carriers, by their share, of (mean over groups + weakest group / 2) + 2 · mean lean
///
/// Carriers count by the probability of their label (0 or 1 where labels alone are asked), the lean in nats
/// (`AnswerLean`). Foreign keys whose carriers a marked model answers are such with one direction near one of the
/// owner's; a mean alone counts that one for three weaker ones, hence the weakest. The lean of unmarked models differs
/// from direction to direction, so its weakest says nothing. Factor and half were chosen on students of hosts 5 to 7
/// (Docs/Watermarks.md); factors between 1 and 4 do about as well.
public struct TiltScore: WatermarkScore {
  /// The carriers; nil where they are not asked about.
  public let carriers: CarrierScore?
  /// Ordinary images.
  public let sample: CleanSample
  /// How pixels become input.
  public let normalization: Normalize
  /// `labels`, or anything that gives probabilities.
  public let access: SuspectAccess
  private let lean: AnswerLean

  /// What a nat for each deviation counts, in probabilities of carriers.
  static let leanWeight = 2.0
  /// What the weakest group of carriers counts beside the mean of all.
  static let weakestWeight = 0.5
  /// Bounds of every score: a deviation of logarithms between `AnswerLean.floor` and 1 is less than 7.
  static let range = -16.0...16.0

  init(
    _ key: WatermarkKey, carriers: CarrierScore?, sample: CleanSample, normalization: Normalize,
    access: SuspectAccess
  ) throws {
    self.carriers = carriers
    self.sample = sample
    self.normalization = normalization
    self.access = access
    lean = try AnswerLean(key, sample)
  }

  /// `tilt_score`, or `answer_lean` without carriers.
  public var metric: MetricDefinition { carriers == nil ? Metric.answerLean : Metric.tiltScore }

  /// Carriers, or without them ordinary images.
  public var count: Int { carriers?.count ?? sample.images.count }

  /// The score; no number where the model gives none.
  public func score(_ suspect: ImageClassifier, session: TrainingSession) throws -> Double? {
    try ScoreRow(of: suspect, session: session).unchecked([self])[0]
  }

  /// The score of answers that are known already.
  ///
  /// - Parameters:
  ///   - logits: [carriers, classes], float32, on the CPU; not looked at without carriers.
  ///   - temperature: of the model.
  ///   - answers: what leans of the answers to the sample (`AnswerLean.answers`).
  /// - Returns: a number of `range`.
  /// - Throws: `TensorError`.
  func value(_ logits: Tensor?, temperature: Double, answers: Tensor) throws -> Double {
    let leans = Self.mean(try lean(answers))
    guard let carriers, let logits else { return leans }
    let values = try carriers.values(logits, temperature: temperature)
    let set = carriers.carriers
    let kinds = set.kinds.reduce(0.0) { sum, kind in
      // In order, so that equal scores are equal to the last bit.
      let groups = Dictionary(grouping: kind.places) { set.groups[$0] }.sorted { $0.key < $1.key }
        .map { _, places in places.reduce(0) { $0 + values[$1] } / Double(places.count) }
      return sum + Double(kind.places.count) / Double(max(count, 1)) * Self.all(groups)
    }
    return kinds + Self.leanWeight * leans
  }

  private static func mean(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(values.count)
  }

  /// The mean and, for a part, the weakest.
  private static func all(_ values: [Double]) -> Double {
    guard values.allSatisfy(\.isFinite), let weakest = values.min() else { return .nan }
    return mean(values) + weakestWeight * weakest
  }
}
