import BulwarkNN
import BulwarkStore
import BulwarkTraining

/// An attack that trains for long and can go on from a checkpoint that it wrote through its session.
public protocol ResumableRemovalAttack: RemovalAttack {
  /// Makes the surrogate, or finishes one that was begun.
  ///
  /// - Parameters:
  ///   - model: the stolen model, which is left as it was.
  ///   - data: the attacker's images and what the surrogate is measured on.
  ///   - session: device, precision, random key, events; the same seed as when it was begun.
  ///   - checkpoint: what the same attack saved when it was interrupted; nil begins anew.
  /// - Returns: the surrogate; the same bytes as without an interruption on the CPU.
  /// - Throws: `CheckpointUseError.otherRun` when the checkpoint is of another run; what
  ///   `surrogate(of:data:session:)` throws.
  func surrogate(
    of model: ImageClassifier, data: TrainingData, session: TrainingSession,
    resuming checkpoint: Checkpoint?
  ) throws -> ImageClassifier
}

extension ResumableRemovalAttack {
  /// Makes the surrogate from the beginning.
  public func surrogate(of model: ImageClassifier, data: TrainingData, session: TrainingSession)
    throws -> ImageClassifier
  {
    try surrogate(of: model, data: data, session: session, resuming: nil)
  }
}

/// An attack that can say what it does, for the record beside its numbers.
public protocol DescribedRemovalAttack: RemovalAttack {
  /// Every setting, for the report and for telling two runs apart.
  var settings: JSONValue { get }
  /// What a reader of the numbers has to know in one sentence; empty for nothing.
  var remark: String { get }
  /// Whether it works on images that the owner did not train on.
  var needsOtherImages: Bool { get }
  /// Whether it draws the last layer anew: the owner may then put the original one back to look for
  /// the mark below it (Adi et al. 2018).
  var resetsLastLayer: Bool { get }
}

/// Settings for the record.
public enum SettingsJSON {
  /// The settings as JSON under snake-case keys, as texts and recipes name them; null for what JSON does
  /// not have.
  public static func of(_ settings: some Encodable) -> JSONValue {
    (try? RecipeTree(defaults: settings).root) ?? .null
  }
}

extension DescribedRemovalAttack {
  /// The owner's images are enough.
  public var needsOtherImages: Bool { false }
  /// The last layer is kept, or trained on.
  public var resetsLastLayer: Bool { false }
}
