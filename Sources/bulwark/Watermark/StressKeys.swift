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
    var counted: (Normalize) throws -> (any WatermarkScore)? = { _ in nil }
  }

  /// The owner's first.
  private var keys: [Key]
  /// The key file and what foreign keys are made for; nil for plain trigger sets.
  private let file: KeyFile?
  /// The class whose probability carries the mark; nil where carriers have labels, or no class is marked.
  let markedClass: Int?
  /// The owner's carriers; nil for a mark without any.
  let carriers: ImageDataset?
  /// Images that no attacker has. The trigger sets of all keys, so that none of them is favored; the carriers
  /// of a key file unless they are the task's own images under other labels: then foreign keys and null models are
  /// made of such images, too, and an attacker who has the owner's images has all of them.
  let secret: [ImageDataset]
  /// Digest of the model that the key is sealed to; nil for a trigger set or an embedding that was not
  /// finished.
  let sealedTo: String?

  /// A key file, and how it is held against models.
  private struct KeyFile {
    var key: WatermarkKey
    var evidence: VerificationOptions
    var probe: CleanSample

    /// The owner's key and foreign ones; `origin` is everything that decides them.
    func keys(_ foreign: ForeignKeys, origin: String) throws -> [Key] {
      let read = "\(origin) \(evidence.access.rawValue) \(evidence.reading.rawValue)"
      let contents = SHA256Digest(of: read).description
      let all =
        try [("own", key)]
        + (0..<evidence.foreignKeys).map { ("foreign-\($0 + 1)", try foreign.key($0)) }
      return all.map { name, key in
        Key(name: name, contents: contents) {
          try key.score(
            normalization: $0, access: evidence.access, probe: probe, reading: evidence.reading)
        } counted: {
          guard key.mark.carriers != nil,
            evidence.access != .labels || key.readsLean(evidence.reading)
          else { return nil }
          return try key.hits($0)
        }
      }
    }
  }

  /// Reads what the recipe names. Foreign keys of a key file are drawn; `choose(_:)` makes them as the owner did.
  ///
  /// - Throws: `ToolError` or `WatermarkError` when keys and images do not fit each other.
  init(_ recipe: StressRecipe, train: ImageDataset, probe all: ImageDataset, console: Console)
    throws
  {
    guard recipe.key.isEmpty else {
      guard FileManager.default.fileExists(atPath: recipe.key) else {
        throw ToolError.missing(recipe.key, what: "key file")
      }
      let key = try WatermarkKey(reading: recipe.key)
      try key.check(train)
      sealedTo = key.modelDigest
      try recipe.evidence.validate(key.mark.scheme)
      let file = KeyFile(
        key: key, evidence: recipe.evidence,
        probe: try key.sample(of: all, reading: recipe.evidence.reading))
      self.file = file
      // Foreign keys follow from the owner's settings and the training images.
      keys = try file.keys(
        ForeignKeys(of: key, material: train), origin: JSONValue.text(of: key))
      markedClass = key.mark.signal?.target(of: key)
      let own = try key.carriers().map {
        try ImageDataset(images: $0.images, labels: $0.labels, classNames: train.classNames)
      }
      carriers = own
      secret = key.mark.carriers?.family == .relabeled ? [] : own.map { [$0] } ?? []
      return
    }
    file = nil
    func triggerSet(_ path: String) throws -> ImageDataset {
      let all = DataOptions(testFraction: 0)
      let bundle = try console.load(path, options: all)
      // All of it, however the file is split.
      let set =
        try bundle.test.map {
          try ImageDataset(
            images: Tensor.cat([bundle.train.images, $0.images]),
            labels: bundle.train.labels + $0.labels, classNames: bundle.train.classNames)
        } ?? bundle.train
      try StressKeys.check(set, path: path, against: train)
      return try StressKeys.named(set, path: path, asIn: train)
    }
    let own = try triggerSet(recipe.carriers)
    let probe = try CleanSample(of: all)
    let sets = [("own", own)] + (try recipe.foreign.map { ($0, try triggerSet($0)) })
    keys = try sets.map { name, set in
      Key(name: name, contents: try set.fingerprint) {
        CarrierScore(
          CarrierSet(set), normalization: $0, access: recipe.evidence.access,
          probe: probe)
      } counted: {
        recipe.evidence.access == .labels
          ? nil : CarrierScore(CarrierSet(set), normalization: $0, access: .labels)
      }
    }
    carriers = own
    markedClass = nil
    secret = sets.map { $0.1 }
    sealedTo = nil
  }

  /// What the owner's server does to answers; nil where there is none.
  ///
  /// - Throws: `TensorError`.
  func server(_ normalization: Normalize, on device: Device) throws -> CosineChange? {
    try file.flatMap { try CosineChange(servedBy: $0.key, normalization, on: device) }
  }

  /// The owner's key where foreign keys must be chosen as it was; nil where there is nothing to choose.
  var chosenKey: WatermarkKey? { file.flatMap { $0.key.choosesDirections ? $0.key : nil } }

  /// Takes foreign keys that were chosen.
  ///
  /// - Parameters:
  ///   - foreign: of the key of the file.
  ///   - chooser: digest of the model that chose.
  /// - Throws: `WatermarkError`; `TensorError`.
  mutating func choose(_ foreign: ForeignKeys, by chooser: String) throws {
    guard let file else { return }
    keys = try file.keys(foreign, origin: "\(JSONValue.text(of: file.key)) \(chooser)")
  }

  /// The keys as a suspect of this normalization is held against them.
  func marks(_ normalization: Normalize) throws -> [StressMark] {
    try keys.enumerated().map { place, key in
      let counted = try key.counted(normalization)
      let kinds = place == 0 ? try (counted as? CarrierScore)?.hitsByKind() ?? [] : []
      return StressMark(
        key.name, role: place == 0 ? .own : .foreign, score: try key.score(normalization),
        counted: counted,
        kinds: Dictionary(uniqueKeysWithValues: kinds.map { ($0.kind, $0.score) }),
        contents: key.contents)
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
      var values: [Double?] = []
      do {
        values = try StressMark.values(marks(null.normalization), of: null.model, session: session)
      } catch WatermarkError.notFinite {
        // No row: it says nothing.
      }
      try progress.advance(keys: keys.count)
      return values.compactMap { $0 }
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
  }

  /// A trigger set whose labels are the model's: by the names of its classes, or, where these are the numbers 0,
  /// 1, ..., as they stand.
  private static func named(_ set: ImageDataset, path: String, asIn train: ImageDataset) throws
    -> ImageDataset
  {
    if set.classNames == train.classNames { return set }
    let places = set.classNames.map { train.classNames.firstIndex(of: $0) }
    let isNumbered = set.classNames == (0..<set.classCount).map(String.init)
    let labels = try set.labels.map { label in
      if let place = places[label] { return place }
      if isNumbered, label < train.classCount { return label }
      throw ToolError(
        summary: "\(path) has the class '\(set.classNames[label])', the model has "
          + "\(train.classNames.joined(separator: ", ")).",
        remedy: "Name the folders of the carriers after the classes that the mark calls them.",
        category: .badData)
    }
    return try ImageDataset(
      images: set.images, labels: labels, classNames: train.classNames, name: path)
  }
}
