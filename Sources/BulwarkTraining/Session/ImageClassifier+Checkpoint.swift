import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor

extension ImageClassifier {
  /// A checkpoint of the weights alone, with what is needed to use them.
  public func checkpoint(data: TrainingData) throws -> Checkpoint {
    let normalization = data.normalization
    var fingerprints = ["train": try data.train.fingerprint]
    if let test = data.evaluator.test { fingerprints["test"] = try test.fingerprint }
    return Checkpoint(
      weights: StateDict(try state.snapshot().map { ($0.name, $0.tensor) }),
      architecture: try JSONValue(encoding: architecture),
      normalization: Checkpoint.Normalization(
        mean: normalization.mean.map(Double.init), std: normalization.deviation.map(Double.init)),
      classNames: data.train.classNames,
      fingerprints: fingerprints)
  }

  /// Takes over the weights of a checkpoint.
  ///
  /// - Throws: `StateMismatch` when they belong to another architecture.
  public func load(_ checkpoint: Checkpoint) throws {
    try state.load(checkpoint.weights.pairs.map { (name: $0.0, tensor: $0.1) })
  }

  /// Builds the model that a checkpoint describes.
  ///
  /// - Throws: `CheckpointUseError` when it names no architecture; `StateMismatch`.
  public static func restored(from checkpoint: Checkpoint, device: Device = .cpu) throws
    -> ImageClassifier
  {
    guard let architecture = try? checkpoint.architecture.decode(as: Architecture.self) else {
      throw CheckpointUseError.noArchitecture
    }
    let model = try architecture.build(key: RandomKey(seed: 0), device: device)
    try model.load(checkpoint)
    return model
  }
}

extension Checkpoint {
  /// The normalization that the model expects.
  ///
  /// - Throws: `CheckpointUseError.noNormalization`.
  public func inputNormalization() throws -> Normalize {
    guard let normalization else { throw CheckpointUseError.noNormalization }
    return Normalize(
      mean: normalization.mean.map { Float($0) }, deviation: normalization.std.map { Float($0) })
  }
}

/// A readable checkpoint that lacks what a command needs.
public enum CheckpointUseError: BulwarkError, Equatable {
  /// The architecture is absent or unknown.
  case noArchitecture
  /// The normalization is absent.
  case noNormalization
  /// The checkpoint is not of this run: what differs.
  case otherRun(String)

  /// What happened.
  public var summary: String {
    switch self {
    case .noArchitecture: "the checkpoint names no architecture that this version can build"
    case .noNormalization: "the checkpoint does not say how images are normalized"
    case .otherRun(let difference): "the checkpoint belongs to another run: \(difference)"
    }
  }

  /// What to do about it.
  public var remedy: String {
    switch self {
    case .noArchitecture: "import the weights again and name --model, --width and --stem"
    case .noNormalization: "import the weights again and name --mean and --std"
    case .otherRun: "resume with the recipe, seed and data that the checkpoint was written with"
    }
  }

  /// Bad data, or wrong usage for another run.
  public var category: ErrorCategory { if case .otherRun = self { .usage } else { .badData } }

  /// None.
  public var causes: [String] { [] }
}
