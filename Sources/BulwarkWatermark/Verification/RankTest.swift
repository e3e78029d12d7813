import Foundation

/// Evidence by rank among (model, key) pairs.
///
/// Put the scores into a table: a row for the suspect and for each null model, a column for the owner's key
/// and for each foreign key. If the suspect was made without the owner's key, it is one more model of the
/// null population and the owner's key one more random key: rows can be exchanged with each other, and so
/// can columns. Every cell then has the same chance to be where the suspect meets the owner's key, hence
///
///     p = (1 + number of other cells that score at least as high) / number of cells
///
/// is at most α with probability at most α, for every α, although cells of a row or a column depend on each
/// other. Ties count against the owner. The cells of the suspect's own row make the test blind to
/// whatever helps every key: a shift of class priors is no evidence.
public struct RankTest: Hashable, Sendable, Codable {
  /// Score of the suspect under the owner's key.
  public let observed: Double
  /// Scores of the suspect under the foreign keys.
  public let foreign: [Double]
  /// Scores of each null model under the owner's key, then under the foreign keys in order.
  public let nulls: [[Double]]

  /// A table of scores.
  public init(observed: Double, foreign: [Double], nulls: [[Double]]) {
    self.observed = observed
    self.foreign = foreign
    self.nulls = nulls
  }

  /// Every score but the observed one.
  public var others: [Double] { foreign + nulls.flatMap { $0 } }

  /// (1 + others at least as high) / (1 + others).
  public var p: Double { RankTest.p(observed, among: others) }

  /// log10 of `p`.
  public var log10P: Double { log10(p) }

  /// The smallest p that a table of this size can give.
  public var smallestP: Double { 1 / Double(1 + others.count) }

  /// The rank among null models alone, under the owner's key: no assumption about keys.
  public var modelP: Double { RankTest.p(observed, among: nulls.compactMap(\.first)) }

  /// The rank among keys alone, on the suspect: no assumption about models.
  public var keyP: Double { RankTest.p(observed, among: foreign) }

  /// (1 + others at least as high) / (1 + others).
  public static func p(_ observed: Double, among others: [Double]) -> Double {
    Double(1 + others.count { $0 >= observed }) / Double(1 + others.count)
  }
}
