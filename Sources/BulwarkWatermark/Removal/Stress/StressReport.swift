import BulwarkNN
import BulwarkStore
import BulwarkTraining

/// What is left of a watermark, and of the model, after every attack.
public struct StressReport: Sendable, Codable, Equatable {
  /// Name and version of the format.
  public static let schema = "bulwark.stress/1"
  /// Name of the row of the stolen model itself.
  public static let untouched = "none"

  /// One key's statistic on one surrogate.
  public struct Reading: Sendable, Codable, Equatable {
    /// The key's name.
    public var key: String
    /// Whose key it is.
    public var role: StressMark.Role
    /// Name of the statistic.
    public var score: String
    /// The statistic; nil where the surrogate has no place for the mark.
    public var value: Double?
    /// The owner's rank among all other (model, key) pairs (`RankTest`); nil for foreign keys and
    /// without null models of the surrogate's architecture.
    public var pValue: Double?
    /// log10 of `pValue`; nil without it.
    public var log10P: Double?
    /// Whether no null model scores as high and no foreign key does as well (`RankTest.isLargestOfItsRowAndColumn`);
    /// nil without `pValue`.
    public var isLargest: Bool?
    /// What the suspect says beyond null models under this key, where keys are compared by that; nil without null models.
    public var beyond: Double?
    /// The smallest p-value that so many null models and keys can give; nil without `pValue`.
    public var smallestP: Double?

    /// The table's part of the verdict of `watermark verify` on this surrogate: without 999 keys, commitment and
    /// drawn images.
    ///
    /// - Parameter level: largest p-value that proves derivation, for instance 1e-3.
    /// - Returns: whether the key is shown; nil where nothing can be said, without null models or with
    ///   too few for the level.
    public func isShown(level: Double) -> Bool? {
      guard let pValue, let isLargest, let smallestP, smallestP <= level else { return nil }
      return RankTest.shows(p: pValue, isLargest: isLargest, level: level)
    }
  }

  /// One attack.
  public struct Row: Sendable, Codable, Equatable {
    /// The attack's name.
    public var attack: String
    /// Its settings.
    public var settings: JSONValue
    /// What a reader has to know about it; empty for nothing.
    public var remark: String
    /// The surrogate's architecture.
    public var architecture: Architecture
    /// Share of clean test images that the surrogate answers rightly.
    public var accuracy: Double
    /// The same minus the stolen model's: negative for a loss.
    public var accuracyChange: Double
    /// The accuracy that a thief can expect of a network of this architecture: the stolen model's or, where the
    /// surrogate has another architecture, the median of its null models' if that is lower.
    public var expectedAccuracy: Double
    /// Whether the accuracy is below the expected one by more than the margin: then the attack has destroyed what
    /// it was to steal.
    public var losesTooMuch: Bool
    /// Every key's statistic.
    public var readings: [Reading]
    /// Share of the owner's carriers that are answered as the key says, where the statistic is another
    /// one; nil for marks without carriers.
    public var counted: Double?
    /// The same for each kind of carriers, by its name; nil where all are of one kind.
    public var kinds: [String: Double]?
    /// The share of hits, or else the owner's statistic, with the stolen model's last layer put back, as
    /// Adi et al. (2018) measure after an attack that drew it anew; nil for other attacks and other
    /// architectures.
    public var ownWithOriginalLastLayer: Double?
    /// Share of clean test images that are given each class.
    public var classShares: [Double]
    /// Largest change of such a share against the stolen model, in absolute value.
    public var classPriorShift: Double
    /// The class that it happened to.
    public var shiftedClass: Int
    /// Seconds of the attack, without measuring.
    public var seconds: Double
    /// Seed of the attack's random numbers.
    public var seed: UInt64

    /// The owner's reading; nil when only foreign keys were read.
    public var own: Reading? { readings.first { $0.role == .own } }

    /// By how much the owner's key leads every foreign one beyond null models, where the score alone does not show it.
    public var hiddenLead: Double? {
      let foreign = readings.filter { $0.role == .foreign }.compactMap(\.beyond)
      guard let own, let beyond = own.beyond, let most = foreign.max(), beyond > most,
        let value = own.value, let strongest = strongestForeign?.value, strongest >= value
      else { return nil }
      return beyond - most
    }

    /// The foreign key that scores most.
    public var strongestForeign: Reading? {
      readings.filter { $0.role == .foreign && $0.value != nil }
        .max { ($0.value ?? 0) < ($1.value ?? 0) }
    }
  }

  /// An attack that came to no surrogate.
  public struct Failure: Sendable, Codable, Equatable {
    /// The attack's name.
    public var attack: String
    /// What happened.
    public var reason: String
  }

  /// The stolen model first, then the attacks in order.
  public var rows: [Row]
  /// Attacks that came to no surrogate: a loss that diverged, an architecture that cannot take the images.
  public var failures: [Failure]
  /// Accuracy that an attack may lose, 0...1.
  public var margin: Double
  /// Names of the classes.
  public var classNames: [String]
  /// Number of clean test images behind accuracy and shares.
  public var testImages: Int
  /// SHA-256 of the stolen model's weights.
  public var modelDigest: String
  /// The null models, a population for each architecture of surrogates.
  public var nulls: [NullScores]

  /// Collects the rows of a run.
  public init(
    rows: [Row], failures: [Failure] = [], margin: Double, classNames: [String], testImages: Int,
    modelDigest: String, nulls: [NullScores] = []
  ) {
    self.rows = rows
    self.failures = failures
    self.margin = margin
    self.classNames = classNames
    self.testImages = testImages
    self.modelDigest = modelDigest
    self.nulls = nulls
  }

  /// Whether the stolen model has a place for the owner's mark; without one nothing is tested.
  public var isApplicable: Bool { base?.own?.value != nil }

  /// Whether the stolen model itself shows the owner's key.
  ///
  /// - Parameter level: largest p-value that proves derivation, for instance 1e-3.
  /// - Returns: the verdict on the untouched model; nil where nothing can be said.
  public func showsKey(level: Double) -> Bool? {
    base?.own?.isShown(level: level)
  }

  /// The attacks that keep the accuracy and leave the owner without proof at a level.
  ///
  /// - Parameter level: largest p-value that proves derivation, for instance 1e-3.
  /// - Returns: their rows; none where the stolen model itself does not show the key, since nothing can
  ///   be removed there, and none of those of which nothing can be said.
  public func successful(level: Double) -> [Row] {
    guard showsKey(level: level) == true else { return [] }
    return kept.filter { $0.own?.isShown(level: level) == false }
  }

  /// The attacks that keep the accuracy and leave the owner the proof at a level.
  ///
  /// - Parameter level: largest p-value that proves derivation, for instance 1e-3.
  /// - Returns: their rows; none where the stolen model itself does not show the key.
  public func survived(level: Double) -> [Row] {
    guard showsKey(level: level) == true else { return [] }
    return kept.filter { $0.own?.isShown(level: level) == true }
  }

  /// The attacks that keep the accuracy and of which nothing can be said at a level.
  ///
  /// - Parameter level: largest p-value that proves derivation, for instance 1e-3.
  /// - Returns: the rows without null models of their surrogate's architecture, or with too few, or
  ///   without a place for the mark.
  public func unjudged(level: Double) -> [Row] {
    kept.filter { $0.own?.isShown(level: level) == nil }
  }

  /// The attacks that lost more accuracy than the margin: whatever they left of the mark, they are neither
  /// successful nor survived.
  public var excluded: [Row] { rows.filter { $0.attack != Self.untouched && $0.losesTooMuch } }

  private var base: Row? { rows.first { $0.attack == Self.untouched } }

  private var kept: [Row] { rows.filter { $0.attack != Self.untouched && !$0.losesTooMuch } }

  /// The whole report, under snake-case keys.
  ///
  /// - Throws: `EncodingError` for a number that JSON does not have.
  public func json() throws -> JSONValue {
    guard case .object(var members) = try RecipeTree(defaults: self).root else { return .null }
    members["schema"] = .string(Self.schema)
    return .object(members)
  }
}
