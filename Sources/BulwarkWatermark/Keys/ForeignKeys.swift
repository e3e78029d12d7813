import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation

/// An unmarked network that chooses the directions of foreign keys, as the owner's reference chose his.
public struct ChoosingModel {
  /// The network; never changed.
  public let model: ImageClassifier
  /// How it wants pixels.
  public let normalization: Normalize
  /// Device, and a way to be stopped.
  public let session: TrainingSession

  /// A network with what is needed to ask it.
  public init(_ model: ImageClassifier, normalization: Normalize, session: TrainingSession) {
    self.model = model
    self.normalization = normalization
    self.session = session
  }
}

/// The foreign keys that an owner's key is held against, made as the owner made his.
///
/// A rank among keys means something where the owner's key is one more of its kind. `tilted` chooses directions
/// by what an unmarked network answers, and any other model likes a chosen key a little better than a drawn
/// one. So an unmarked network, which is none of those that the keys are then tried on, chooses for every foreign
/// key, too: by the rule that the key states (`DirectionRule`, `DirectionChoice`). Keys of other schemes
/// are drawn by their secrets alone.
public final class ForeignKeys {
  private let owner: WatermarkKey
  private let dataset: ImageDataset
  private let chooser: ChoosingModel?
  private let rule: DirectionRule
  /// Where choices are kept; nil keeps none.
  private let file: String?
  /// Of the first keys, in order.
  private var choices: [[LabeledDirection]] = []
  private var unsaved = 0

  /// To be raised with every change after which equal keys get other directions.
  private static let revision = 3
  /// Stage in which it is stopped.
  static let stage = "foreign_keys"
  /// Choices between two writes.
  private static let interval = 50

  /// Foreign keys of an owner.
  ///
  /// - Parameters:
  ///   - owner: the owner's key.
  ///   - dataset: what foreign keys draw their images from.
  ///   - chooser: chooses where the owner chose; nil leaves keys as they are drawn.
  ///   - folder: where choices are kept for other runs, under a digest of all that decides them; nil for nowhere.
  /// - Throws: `TensorError`.
  public init(
    of owner: WatermarkKey, material dataset: ImageDataset, choosing chooser: ChoosingModel? = nil,
    folder: String? = nil
  ) throws {
    self.owner = owner
    self.dataset = dataset
    rule = owner.mark.carriers?.rule ?? DirectionRule()
    let chooser = owner.choosesDirections ? chooser : nil
    self.chooser = chooser
    guard let chooser, let folder else {
      file = nil
      return
    }
    let digest = SHA256Digest(of: try Self.identity(owner, dataset, chooser).text())
    let file = "\(folder)/foreign-\(digest.description.prefix(24)).json"
    self.file = file
    choices = Self.kept(file)
  }

  /// Everything that decides these keys.
  ///
  /// - Throws: `TensorError`.
  func identity() throws -> JSONValue { try Self.identity(owner, dataset, chooser) }

  private static func identity(
    _ owner: WatermarkKey, _ dataset: ImageDataset, _ chooser: ChoosingModel?
  ) throws -> JSONValue {
    var mark = owner.mark
    mark.carriers = mark.carriers?.choosing(nil)
    var identity: [String: JSONValue] = [
      "revision": .int(revision), "secret": .string(owner.secret.foreign(0).hexadecimal),
      "mark": try JSONValue(encoding: mark), "images": .string(try dataset.fingerprint),
    ]
    if let chooser {
      identity["rule"] = try JSONValue(encoding: owner.mark.carriers?.rule ?? DirectionRule())
      identity["device"] = .string(chooser.session.device.description)
      identity["model"] = .string(try chooser.model.weightDigest())
      identity["normalization"] = try JSONValue(encoding: chooser.normalization)
    }
    return .object(identity)
  }

  deinit { save() }

  /// What a run kept; a file that cannot be read is made anew.
  private static func kept(_ file: String) -> [[LabeledDirection]] {
    FileManager.default.contents(atPath: file).flatMap {
      try? JSONDecoder().decode([[LabeledDirection]].self, from: $0)
    } ?? []
  }

  /// Whether foreign keys are made as the owner's was: only then does a rank among them count.
  public var areLikeOwners: Bool { !owner.choosesDirections || chooser != nil }

  /// The owner chose, and nobody chooses for foreign keys.
  static let undrawn = WatermarkError.mismatch(
    "its directions were chosen with an unmarked network; so must those of foreign keys be")

  /// The index-th foreign key, whose secret follows from the owner's.
  ///
  /// - Parameter index: from 0; choices are made and kept in this order.
  /// - Returns: a key of the same scheme and settings. Cost where the owner chose: 768 images for the choosing model.
  /// - Throws: `WatermarkError.noImages` when a class has no image; `TrainingInterrupted` when the choosing model's
  ///   session was asked to stop; `TensorError`.
  public func key(_ index: Int) throws -> WatermarkKey {
    guard let chooser else { return try owner.foreign(index, material: dataset) }
    while choices.count <= index {
      try chooser.session.stopIfAsked(stage: Self.stage, step: choices.count)
      let next = try owner.foreign(choices.count, material: dataset)
      choices.append(try Self.choice(of: next, chooser, rule))
      unsaved += 1
      if unsaved >= Self.interval { save() }
    }
    return try owner.foreign(index, material: dataset).choosing(choices[index], by: rule)
  }

  /// What an owner of a key would choose with this network.
  static func choice(
    of key: WatermarkKey, _ chooser: ChoosingModel, _ rule: DirectionRule = DirectionRule()
  ) throws -> [LabeledDirection] {
    try withoutGradients {
      try DirectionChoice(key, groups: key.mark.carriers?.groups ?? 0, rule) {
        // In float32, whatever the session's precision, as the owner chose: bfloat16 has ties.
        let input = try chooser.normalization.prepare($0, on: chooser.session.device)
        return try chooser.model.logits(input, .evaluation)
      }
    }.chosen.map(\.place)
  }

  /// Keeps the choices, unless another run has kept more of them, or nothing can be written there: then they are made
  /// again.
  private func save() {
    guard let file, unsaved > 0 else { return }
    unsaved = 0
    guard Self.kept(file).count < choices.count else { return }
    try? AtomicFile.write(
      Data((try JSONValue.text(of: choices) + "\n").utf8), to: file, overwrite: true)
  }
}
