import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation

/// Models of the task that were trained without any mark: what "not derived" looks like. Trained once for
/// a recipe and kept in files under its digest.
public struct NullPopulation {
  /// Of every model.
  public let architecture: Architecture
  /// The task.
  public let data: TrainingData
  /// How every model is trained.
  public let training: SupervisedOptions
  /// Random views, with normalization.
  public let augmentation: AugmentationPipeline
  /// Number of models.
  public let count: Int
  /// Which of all populations of this recipe: 0 is the published one, which an owner can train before choosing
  /// a key; a judge who names another number after the commitment rules that out.
  public let draw: UInt64
  /// Where the files lie.
  public let folder: String

  /// Describes a population.
  public init(
    _ architecture: Architecture, data: TrainingData, training: SupervisedOptions,
    augmentation: AugmentationPipeline, count: Int = 20, draw: UInt64 = 0, folder: String
  ) {
    self.architecture = architecture
    self.data = data
    self.training = training
    self.augmentation = augmentation
    self.count = count
    self.draw = draw
    self.folder = folder
  }

  /// To be raised with every change after which equal settings train other models.
  private static let revision = 1

  /// Seed of the index-th model: follows from the draw alone, so that nobody picks models one by one.
  static func seed(_ index: Int, draw: UInt64 = 0) -> UInt64 {
    seed("null model", index, draw: draw)
  }

  private static func seed(_ name: String, _ index: Int, draw: UInt64) -> UInt64 {
    WatermarkSecret.published(draw == 0 ? name : "\(name), draw \(draw)", index).bytes.prefix(7)
      .reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// Digest of everything that decides the models.
  ///
  /// - Parameter session: whose device and precision count.
  /// - Returns: 24 hexadecimal digits.
  /// - Throws: `TensorError`.
  public func digest(_ session: TrainingSession) throws -> String {
    var identity: [String: JSONValue] = [
      "revision": .int(Self.revision),
      "architecture": try JSONValue(encoding: architecture),
      "training": try JSONValue(encoding: training),
      "views": try JSONValue(encoding: augmentation),
      "data": .string(try data.train.fingerprint), "precision": .string(session.precision.rawValue),
      "device": .string(session.device.description),
    ]
    if draw != 0 { identity["draw"] = .unsigned(draw) }
    return String(SHA256Digest(of: try JSONValue.object(identity).text()).description.prefix(24))
  }

  /// File of the index-th model.
  ///
  /// - Throws: `TensorError`.
  public func path(_ index: Int, _ session: TrainingSession) throws -> String {
    "\(folder)/null-\(try digest(session))-\(index).h5"
  }

  /// Trains whatever is missing and gives all models. A stopped call goes on where it was; calls of several
  /// processes with the same folder share the work.
  ///
  /// - Parameter session: device, precision, events and a way to be stopped; its seed does not matter.
  /// - Returns: `count` models in order.
  /// - Throws: `TrainingInterrupted` after a checkpoint when the session was asked to stop; `StoreError`.
  public func models(_ session: TrainingSession) throws -> [ImageClassifier] {
    try shared(
      (0..<count).map {
        (
          name: "null model \($0 + 1) of \(count)", seed: Self.seed($0, draw: draw),
          path: try path($0, session)
        )
      }, session)
  }

  /// Trains what is missing of some models, together with other runs that want the same.
  private func shared(
    _ wanted: [(name: String, seed: UInt64, path: String)], _ session: TrainingSession
  ) throws -> [ImageClassifier] {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true)
    return try FileClaim.share(
      wanted.map(\.path),
      waiting: { isFirst in
        if isFirst { session.tell(.note("waiting for null models that another run trains")) }
        try session.stopIfAsked(stage: SupervisedTrainer.stage, step: 0)
      }
    ) { try model(wanted[$0].name, seed: wanted[$0].seed, at: wanted[$0].path, session) }
  }

  /// The models that the one for a key's foreign keys belongs to: of the network that the owner marked, as the
  /// owner's reference was, where the key tells it.
  public func choosing(for key: WatermarkKey) -> NullPopulation {
    NullPopulation(
      key.facts.architecture ?? architecture, data: data, training: training,
      augmentation: augmentation, count: count, draw: draw, folder: folder)
  }

  /// File of the model that chooses the directions of foreign keys (`ForeignKeys`).
  ///
  /// - Throws: `TensorError`.
  public func choosingPath(_ session: TrainingSession) throws -> String {
    "\(folder)/null-\(try digest(session))-choosing.h5"
  }

  /// One more model of this kind, which chooses the directions of foreign keys and is none of `models(_:)`.
  ///
  /// - Parameter session: device, precision, events and a way to be stopped; its seed does not matter.
  /// - Returns: the model; trained only where it is not there yet.
  /// - Throws: `TrainingInterrupted` after a checkpoint when the session was asked to stop; `StoreError`.
  public func choosingModel(_ session: TrainingSession) throws -> ImageClassifier {
    let wanted = (
      name: "the null model that chooses for foreign keys",
      seed: Self.seed("choosing model", 0, draw: draw), path: try choosingPath(session)
    )
    return try shared([wanted], session)[0]
  }

  /// Foreign keys of an owner, chosen by the `choosingModel(_:)` of `choosing(for:)` where the owner's directions were
  /// chosen; choices are kept in `folder`.
  ///
  /// - Parameters:
  ///   - key: the owner's.
  ///   - session: as for the models.
  /// - Returns: keys whose images are drawn from the models' training set.
  /// - Throws: what training the model throws.
  public func foreignKeys(of key: WatermarkKey, _ session: TrainingSession) throws -> ForeignKeys {
    guard key.choosesDirections else { return try ForeignKeys(of: key, material: data.train) }
    let chooser = ChoosingModel(
      try choosing(for: key).choosingModel(session), normalization: data.normalization,
      session: session)
    return try ForeignKeys(of: key, material: data.train, choosing: chooser, folder: folder)
  }

  private func model(
    _ name: String, seed: UInt64, at path: String, _ session: TrainingSession
  ) throws -> ImageClassifier {
    let own = try session.sibling(seed: seed) {
      try $0.write(to: path, overwrite: true)
    }
    let trainer = try SupervisedTrainer(
      architecture, data: data, options: training, augmentation: augmentation, session: own)
    if FileManager.default.fileExists(atPath: path) {
      let checkpoint = try Checkpoint(reading: path)
      if checkpoint.progress.stage == "done" {
        try trainer.model.load(checkpoint)
        return trainer.model
      }
      try trainer.restore(checkpoint)
    }
    session.tell(.note(name))
    _ = try trainer.run()
    return trainer.model
  }
}
