import Foundation

/// Evidence by rank among (model, key) pairs.
///
/// Put the scores s into a table: a row for the suspect and for each null model, a column for the owner's
/// key and for each foreign key. If the suspect was made without the owner's key, it is one more model of
/// the null population and the owner's key one more random key: rows can be exchanged with each other, and
/// so can columns. That stays true of the excess
///
///     e = s − mean of its row − mean of its column + mean of the table,
///
/// what a model says under a key beyond what it says under every key (a shift of class priors) and beyond
/// what every model says under that key (easy carriers). Every cell has the same chance to be where the
/// suspect meets the owner's key, hence
///
///     p = (1 + number of other cells of at least its excess) / number of cells
///
/// is at most α with probability at most α, for every α, although cells of a row or a column depend on each
/// other. Ties count against the owner, and so does what is no number.
///
/// Both exchanges are needed for that. Where the suspect is no model like the null models, rows differ in
/// spread and p is too small; where the owner chose the key's parts, columns differ and p is too small.
/// `keyP` needs only exchangeable keys, `modelP` only exchangeable models.
public struct RankTest: Hashable, Sendable, Codable {
  /// Score of the suspect under the owner's key.
  public let observed: Double
  /// Scores of the suspect under the foreign keys of the table.
  public let foreign: [Double]
  /// Scores of the suspect under foreign keys that no null model is scored under.
  public let further: [Double]
  /// Scores of each null model under the owner's key, then under the foreign keys in order.
  public let nulls: [[Double]]

  /// What the rank among keys compares.
  public let keyRank: KeyRank
  /// How many of the foreign keys of the table, the first ones, the owner's key must lead.
  public let leading: Int

  /// What the rank among keys compares.
  public enum KeyRank: String, Hashable, Sendable, Codable, CaseIterable {
    /// The suspect's scores as they are.
    case score
    /// What of them is beyond the mean of the null models under the same key: keys whose carriers any model answers
    /// stand out less, and an owner who chose one of these gains less by it. Rests on null models that the owner did
    /// not see before choosing a key (`nulls.draw`), as the table does; any suspect may be tested, as by the scores.
    case excess
  }

  /// A table of scores.
  ///
  /// - Parameters:
  ///   - observed: of the suspect under the owner's key.
  ///   - foreign: K scores of the suspect under foreign keys.
  ///   - further: scores of the suspect under other foreign keys; they count among keys alone.
  ///   - nulls: a row of K + 1 scores for each null model, the owner's key first.
  ///   - keyRank: what the rank among keys compares; `excess` has no use for `further`.
  ///   - leading: how many of the foreign keys of the table the owner's must lead; nil for all.
  public init(
    observed: Double, foreign: [Double], further: [Double] = [], nulls: [[Double]],
    keyRank: KeyRank, leading: Int? = nil
  ) {
    precondition(
      nulls.allSatisfy { $0.count == foreign.count + 1 }, "every row has a score for every key")
    self.observed = observed
    self.foreign = foreign
    self.further = further
    self.nulls = nulls
    self.keyRank = keyRank
    self.leading = min(leading ?? foreign.count, foreign.count)
  }

  /// All scores that stand in the table, the suspect's row and the owner's column first.
  public var table: [[Double]] { [[observed] + foreign] + nulls }

  /// Number of cells.
  public var cells: Int { (foreign.count + 1) * (nulls.count + 1) }

  /// Number of foreign keys that the owner's key is ranked among.
  public var foreignKeys: Int { compared.others.count }

  /// What of the suspect's scores under the keys of the table, the owner's first, is beyond the mean of the null models
  /// under the same key; the scores themselves without null models.
  public var beyond: [Double] {
    let row = [observed] + foreign
    guard !nulls.isEmpty else { return row }
    return row.indices.map { key in
      row[key] - nulls.reduce(0) { $0 + $1[key] } / Double(nulls.count)
    }
  }

  /// What the rank among keys compares on the suspect: the owner's key, and the foreign ones in order.
  private var compared: (own: Double, others: [Double]) {
    guard keyRank == .excess, !nulls.isEmpty else { return (observed, foreign + further) }
    let beyond = self.beyond
    return (beyond[0] - Self.room, Array(beyond.dropFirst()))
  }

  /// By how much sums of the same numbers in another order, and of rounded shares, may differ and still be ties.
  private static let room = 1e-7

  /// The excess of every cell, in the order of `table`; the scores themselves where there are no foreign
  /// keys or no null models, which leaves nothing to compare a mean with.
  public var excess: [[Double]] {
    let table = self.table
    guard !foreign.isEmpty, !nulls.isEmpty else { return table }
    let (rows, columns) = (Double(table.count), Double(foreign.count + 1))
    let rowMeans = table.map { $0.reduce(0, +) / columns }
    let columnMeans = (0...foreign.count).map { column in
      table.reduce(0) { $0 + $1[column] } / rows
    }
    let mean = rowMeans.reduce(0, +) / rows
    return table.indices.map { row in
      table[row].indices.map { table[row][$0] - rowMeans[row] - columnMeans[$0] + mean }
    }
  }

  /// Other cells whose excess is at least the owner's on the suspect, or no number.
  public var reached: Int {
    let excess = self.excess
    let own = excess[0][0] - Self.room
    return excess.reduce(-1) { count, row in count + row.count { !($0 < own) } }
  }

  /// (1 + `reached`) / `cells`.
  public var p: Double { Double(1 + reached) / Double(cells) }

  /// log10 of `p`.
  public var log10P: Double { log10(p) }

  /// The smallest p that a table of this size can give.
  public var smallestP: Double { 1 / Double(cells) }

  /// The rank of the score among null models alone, under the owner's key: (1 + null models at least as
  /// high) / (1 + null models). Holds for any owner's key, also one of carefully chosen material.
  public var modelP: Double { RankTest.p(observed, among: nulls.compactMap(\.first)) }

  /// The smallest `modelP` that so many null models can give.
  public var smallestModelP: Double { 1 / Double(nulls.count + 1) }

  /// The rank of the score, or of its excess, among keys alone, on the suspect: (1 + foreign keys at least as high) /
  /// (1 + foreign keys). Holds for any suspect, also one of another population than the null models.
  public var keyP: Double {
    let (own, others) = compared
    return RankTest.p(own, among: others)
  }

  /// The smallest `keyP` that so many foreign keys can give.
  public var smallestKeyP: Double { 1 / Double(foreignKeys + 1) }

  /// Whether the score is above that of every null model under the owner's key.
  public var isLargestOfItsColumn: Bool { nulls.allSatisfy { $0[0] < observed } }

  /// Whether it also leads the suspect's scores under the first `leading` foreign keys, compared as `keyRank` says.
  public var isLargestOfItsRowAndColumn: Bool {
    guard isLargestOfItsColumn else { return false }
    let (own, others) = compared
    return others.prefix(leading).allSatisfy { $0 < own }
  }

  /// Deviation of the suspect's scores over the foreign keys of the table; nil for fewer than two keys.
  public var spread: Double? { RankTest.deviation(foreign) }

  /// Deviations of the null models' scores over the same keys.
  public var nullSpreads: [Double] {
    nulls.compactMap { RankTest.deviation(Array($0.dropFirst())) }
  }

  /// Whether the suspect's scores spread over foreign keys more, or less, than those of every null model:
  /// then it is no model like them, and p is not to be trusted.
  public var isSpreadOutside: Bool {
    guard let spread, let low = nullSpreads.min(), let high = nullSpreads.max() else {
      return false
    }
    return !(spread >= low && spread <= high)
  }

  /// (1 + others at least as high, or no number) / (1 + others).
  public static func p(_ observed: Double, among others: [Double]) -> Double {
    Double(1 + others.count { !($0 < observed) }) / Double(1 + others.count)
  }

  private static func deviation(_ values: [Double]) -> Double? {
    guard values.count > 1 else { return nil }
    let mean = values.reduce(0, +) / Double(values.count)
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (squares / Double(values.count - 1)).squareRoot()
  }
}
