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
  /// Probability that a model not derived from the owner's scores as much; nil where unknown.
  public let pValue: ((Double) throws -> Double?)?

  /// Describes a key.
  ///
  /// - Parameters:
  ///   - name: name in the report, different for every key.
  ///   - role: whose key it is.
  ///   - score: the statistic.
  ///   - pValue: the p-value of a score, for instance `NullRank`'s; nil gives none.
  public init(
    _ name: String, role: Role, score: any OwnershipScore,
    pValue: ((Double) throws -> Double?)? = nil
  ) {
    self.name = name
    self.role = role
    self.score = score
    self.pValue = pValue
  }

  /// Score and p-value of a suspect.
  func reading(_ suspect: ImageClassifier, session: TrainingSession) throws -> StressReport.Reading
  {
    let value = try score.score(suspect, session: session)
    return StressReport.Reading(
      key: name, role: role, score: score.name, value: value,
      pValue: try value.flatMap { try pValue?($0) })
  }
}
