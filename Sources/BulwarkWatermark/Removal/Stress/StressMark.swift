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
  /// Digest of the key or trigger set behind the statistic: rows that were read under other contents of
  /// the same name are not used again.
  public let contents: String

  /// Describes a key.
  ///
  /// - Parameters:
  ///   - name: name in the report, different for every key.
  ///   - role: whose key it is.
  ///   - score: the statistic.
  ///   - contents: digest of all that the statistic is made of: secret and images, or a fingerprint.
  public init(_ name: String, role: Role, score: any OwnershipScore, contents: String) {
    self.name = name
    self.role = role
    self.score = score
    self.contents = contents
  }
}
