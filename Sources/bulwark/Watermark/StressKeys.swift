import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import BulwarkWatermark
import Foundation

/// The owner's key and the foreign ones, from a key file or as plain trigger sets.
struct StressKeys {
  /// One key: its name and its statistic for models of a normalization.
  private struct Key {
    var name: String
    /// Digest of what the key is.
    var contents: String
    var score: (Normalize) throws -> any OwnershipScore
    /// Hits, where the statistic is another one.
    var counted: (Normalize) throws -> (any OwnershipScore)? = { _ in nil }
  }

  /// The owner's first.
  private let keys: [Key]
  /// The owner's carriers; nil for a mark without any.
  let carriers: ImageDataset?
  /// Digest of the model that the key is sealed to; nil for a trigger set or an embedding that was not
  /// finished.
  let sealedTo: String?

  /// Reads what the recipe names.
  ///
  /// - Throws: `ToolError` or `WatermarkError` when keys and images do not fit each other.
  init(_ recipe: StressRecipe, train: ImageDataset, probe: ImageDataset, console: Console) throws {
    guard recipe.key.isEmpty else {
      guard FileManager.default.fileExists(atPath: recipe.key) else {
        throw ToolError.missing(recipe.key, what: "key file")
      }
      let key = try WatermarkKey(reading: recipe.key)
      try key.check(train)
      sealedTo = key.modelDigest
      let foreign = try (0..<recipe.evidence.foreignKeys).map {
        ("foreign-\($0 + 1)", try key.foreign($0, material: train))
      }
      // Foreign keys follow from the owner's settings and the training images.
      let contents = SHA256Digest(of: try JSONValue.text(of: key)).description
      keys = ([("own", key)] + foreign).map { name, key in
        Key(name: name, contents: contents) {
          try key.score(normalization: $0, access: recipe.evidence.access, probe: probe)
        } counted: {
          guard key.mark.carriers != nil, recipe.evidence.access != .labels else { return nil }
          return try key.score(normalization: $0, access: .labels, probe: probe)
        }
      }
      carriers = try key.carriers().map {
        try ImageDataset(images: $0.images, labels: $0.labels, classNames: train.classNames)
      }
      return
    }
    func triggerSet(_ path: String) throws -> ImageDataset {
      let set = try console.load(path, options: DataOptions()).train
      try StressKeys.check(set, path: path, against: train)
      return set
    }
    let own = try triggerSet(recipe.carriers)
    let sets = [("own", own)] + (try recipe.foreign.map { ($0, try triggerSet($0)) })
    keys = try sets.map { name, set in
      Key(name: name, contents: try set.fingerprint) {
        CarrierScore(CarrierSet(set), normalization: $0, access: recipe.evidence.access)
      } counted: {
        recipe.evidence.access == .labels
          ? nil : CarrierScore(CarrierSet(set), normalization: $0, access: .labels)
      }
    }
    carriers = own
    sealedTo = nil
  }

  /// The keys as a suspect of this normalization is held against them.
  func marks(_ normalization: Normalize) throws -> [StressMark] {
    try keys.enumerated().map { place, key in
      StressMark(
        key.name, role: place == 0 ? .own : .foreign, score: try key.score(normalization),
        counted: try key.counted(normalization), contents: key.contents)
    }
  }

  /// What every key scores on every null model, each seen through its own normalization; models that
  /// have no place for the mark, or no finite answers, are left out.
  ///
  /// - Throws: `TrainingInterrupted` when the session was asked to stop; `TensorError`.
  func scores(
    _ nulls: [(model: ImageClassifier, normalization: Normalize)], _ session: TrainingSession
  )
    throws -> [[Double]]
  {
    guard !nulls.isEmpty else { return [] }
    var progress = ScoringProgress(
      session, stage: ScoringProgress.nullModels, steps: nulls.count)
    return try nulls.map { null in
      let values = try StressMark.values(
        marks(null.normalization), of: null.model, session: session)
      try progress.advance(keys: keys.count)
      return values.compactMap { $0.flatMap { $0.isFinite ? $0 : nil } }
    }.filter { $0.count == keys.count }
  }

  /// A trigger set has the images' form, and labels that the model knows.
  private static func check(_ set: ImageDataset, path: String, against train: ImageDataset) throws {
    guard set.images.shape.dropFirst() == train.images.shape.dropFirst() else {
      throw ToolError(
        summary: "The carriers in \(path) are \(set.channels)x\(set.height)x\(set.width), the "
          + "training images \(train.channels)x\(train.height)x\(train.width).",
        remedy: "Give the carriers as the model was shown them.", category: .badData)
    }
    if let label = set.labels.max(), label >= train.classCount {
      throw ToolError(
        summary: "\(path) has the label \(label), the model has \(train.classCount) classes.",
        remedy: "Give the labels in the order of the model's classes.", category: .badData)
    }
  }
}
