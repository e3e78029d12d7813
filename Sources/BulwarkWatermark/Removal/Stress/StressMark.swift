import BulwarkData
import BulwarkNN
import BulwarkTraining

/// A key that every surrogate is held against.
public struct StressMark {
  /// Whose key it is.
  public enum Role: String, Sendable, Codable {
    /// The owner's.
    case own
    /// Another's, of the same scheme: what it scores is what chance and class shift score.
    case foreign
  }

  /// Name in the report.
  public let name: String
  /// Whose key it is.
  public let role: Role
  /// The statistic.
  public let score: any OwnershipScore
  /// The share of hits, where the statistic is another one: what people read first.
  public let counted: (any OwnershipScore)?
  /// The share of hits for each kind of carriers, by its name, where there are several; only the owner's are read.
  public let kinds: [String: any OwnershipScore]
  /// Digest of the key or trigger set behind the statistic: rows that were read under other contents of
  /// the same name are not used again.
  public let contents: String

  /// Describes a key.
  ///
  /// - Parameters:
  ///   - name: name in the report, different for every key.
  ///   - role: whose key it is.
  ///   - score: the statistic.
  ///   - counted: the share of hits, where `score` is something else; only the owner's is read.
  ///   - kinds: the share of hits for each kind of carriers.
  ///   - contents: digest of all that the statistic is made of: secret and images, or a fingerprint.
  public init(
    _ name: String, role: Role, score: any OwnershipScore, counted: (any OwnershipScore)? = nil,
    kinds: [String: any OwnershipScore] = [:], contents: String
  ) {
    self.name = name
    self.role = role
    self.score = score
    self.counted = counted
    self.kinds = kinds
    self.contents = contents
  }

  /// What every key scores on one model, as `verify` computes it: with one pass over all carriers.
  ///
  /// - Parameters:
  ///   - marks: the keys.
  ///   - model: never changed.
  ///   - session: device and precision.
  ///   - served: what whoever serves the model makes of images before the model sees them.
  /// - Returns: a score for each key; nil where the model has no place for the mark.
  /// - Throws: `TensorError`.
  public static func values(
    _ marks: [StressMark], of model: ImageClassifier, session: TrainingSession,
    served: @escaping (ImageDataset) throws -> ImageDataset = { $0 }
  ) throws -> [Double?] {
    let scores = marks.compactMap { $0.score as? any WatermarkScore }
    guard scores.count == marks.count else {
      return try marks.map { try $0.score.score(model, session: session) }
    }
    return try ScoreRow(of: model, session: session, served: served).values(scores)
  }
}
