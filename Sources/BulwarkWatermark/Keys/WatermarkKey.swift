import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// What a verifier must know of a mark besides the secret: part of the commitment.
public struct MarkDescription: Hashable, Sendable, Codable {
  /// Name of the scheme that embedded it.
  public var scheme: WatermarkScheme
  /// The carriers, for schemes that are verified by answers to them.
  public var carriers: CarrierOptions?
  /// Where bits are read, for schemes that mark weights.
  public var bits: BitPlace?
  /// The signal, for schemes that mark soft answers to ordinary images.
  public var signal: CosineSignal?

  /// Describes a mark.
  public init(
    scheme: WatermarkScheme, carriers: CarrierOptions? = nil, bits: BitPlace? = nil,
    signal: CosineSignal? = nil
  ) {
    self.scheme = scheme
    self.carriers = carriers
    self.bits = bits
    self.signal = signal
  }
}

/// An owner's watermark key: all that proves ownership, and nothing that a released model holds.
public struct WatermarkKey: Sendable, Codable {
  /// How a key came to be; part of the commitment.
  public struct Facts: Hashable, Sendable, Codable {
    /// Version of the code.
    public var version: String
    /// Digest of the recipe that the model was trained with.
    public var recipe: String
    /// Day and time in the owner's words, ISO 8601. The commitment keeps them from being changed later;
    /// that they are true only a trusted time stamp of the commitment shows.
    public var created: String
    /// How the marked model was trained, for comparison with null models; nil before it is, and for a model that was
    /// trained already when it was marked.
    public var training: SupervisedOptions?
    /// Network of the marked model; nil before it is trained. A network like it chooses for foreign keys.
    public var architecture: Architecture?
    /// Name of the secret where it is a published one, `test:NAME` in recipes, so that everybody can make
    /// the key; nil for a secret of the owner's own.
    public var published: String?

    /// States the facts.
    public init(
      version: String = "", recipe: String = "", created: String = "", published: String? = nil
    ) {
      self.version = version
      self.recipe = recipe
      self.created = created
      self.published = published
    }
  }

  /// Format name of key files. Version 1 drew pictures and projections with 32 bits of the secret and did
  /// not bind the facts; versions 2 to 4 have other directions or labels of family `shading`, version 5 no images
  /// under marks beside it, version 6 directions that were chosen among fewer. They are refused.
  public static let format = "bulwark.watermark-key/7"

  /// `bulwark.watermark-key/7`.
  public let format: String
  /// The secret.
  public let secret: WatermarkSecret
  /// Whose key it is.
  public let owner: String
  /// Scheme and settings.
  public private(set) var mark: MarkDescription
  /// Number of classes of the task.
  public let classes: Int
  /// [C, H, W] of the task's images.
  public let shape: [Int]
  /// Fingerprint of the owner's training set.
  public let trainFingerprint: String
  /// The owner's images that carriers are made of.
  public let material: CarrierMaterial?
  /// How the key came to be.
  public var facts: Facts
  /// Digest of the marked model, once it is trained.
  public private(set) var modelDigest: String?

  /// Makes a key without a model; nothing is drawn but the carriers' material.
  ///
  /// - Parameters:
  ///   - secret: of the key.
  ///   - owner: whose key it is.
  ///   - mark: scheme and settings, carriers of a family other than `automatic`.
  ///   - train: the owner's training set.
  ///   - facts: how the key came to be.
  /// - Throws: `RecipeError.setting` or `.noImages`; `TensorError`.
  public init(
    secret: WatermarkSecret, owner: String, mark: MarkDescription, train: ImageDataset,
    facts: Facts = Facts()
  ) throws {
    format = WatermarkKey.format
    self.secret = secret
    self.owner = owner
    self.mark = mark
    self.facts = facts
    classes = train.classCount
    shape = Array(train.images.shape.dropFirst())
    trainFingerprint = try train.fingerprint
    material = try mark.carriers.flatMap { options in
      let plan = try CarrierPlan(secret, options, classes: train.classCount)
      return try CarrierMaterial.draw(plan, options, secret, from: train)
    }
  }

  /// Whether its directions of shading were chosen, and not only drawn: then foreign keys must be chosen, too.
  public var choosesDirections: Bool { mark.carriers?.chosen != nil }

  /// Whether the owner chose otherwise than owners do: by another rule than the usual one, or a direction that is none
  /// of the first ones that all look at. Then the key counts as chosen: foreign keys choose by the rule that the key
  /// states, and one under which they choose badly would make any owner's key stand out.
  public var choosesByOwnRule: Bool {
    guard let carriers = mark.carriers, let chosen = carriers.chosen else { return false }
    let usual = max(CarrierPlan.usualCandidates, carriers.groups)
    return (carriers.rule ?? DirectionRule()) != DirectionRule()
      || !chosen.allSatisfy { $0.direction < usual }
  }

  /// The same key with directions of shading chosen among those that its secret draws.
  ///
  /// - Parameters:
  ///   - chosen: a direction and a label for each group, all different; nil for those that are drawn.
  ///   - rule: how they were chosen.
  /// - Returns: a key with other carriers and another commitment.
  /// - Throws: `RecipeError.setting` for other numbers or another family; `WatermarkError.noImages` when
  ///   too few of its images are of other classes than the labels.
  func choosing(_ chosen: [LabeledDirection]?, by rule: DirectionRule = DirectionRule()) throws
    -> WatermarkKey
  {
    var key = self
    key.mark.carriers = mark.carriers?.choosing(chosen, by: rule)
    if let carriers = key.mark.carriers {
      _ = try material?.bases(CarrierPlan(secret, carriers, classes: classes))
    }
    return key
  }

  /// The same key for a trained model.
  ///
  /// - Parameters:
  ///   - model: digest of its weights.
  ///   - training: how it was trained; nil leaves what the facts say.
  ///   - architecture: its network; nil leaves what the facts say.
  /// - Returns: a key that gives a commitment.
  public func sealed(
    _ model: SHA256Digest, training: SupervisedOptions? = nil, architecture: Architecture? = nil
  ) -> WatermarkKey {
    var key = self
    key.modelDigest = model.description
    if let architecture { key.facts.architecture = architecture }
    if let training { key.facts.training = training }
    return key
  }

  /// A key of the same kind from another secret, with material from `dataset`: a foreign key. Where the owner's
  /// directions of shading were chosen, those of this key are still to be (`ForeignKeys`).
  ///
  /// - Throws: `WatermarkError.noImages` when a class has no image; `TensorError`.
  public func foreign(_ other: WatermarkSecret, material dataset: ImageDataset) throws
    -> WatermarkKey
  {
    var mark = mark
    mark.carriers = mark.carriers?.choosing(nil)
    return try WatermarkKey(secret: other, owner: "nobody", mark: mark, train: dataset)
  }

  /// The index-th foreign key, whose secret follows from the owner's.
  ///
  /// - Parameters:
  ///   - index: number of the key.
  ///   - dataset: where its material is drawn from.
  /// - Returns: a key of the same scheme and settings.
  /// - Throws: `WatermarkError.noImages` when a class has no image; `TensorError`.
  public func foreign(_ index: Int, material dataset: ImageDataset) throws -> WatermarkKey {
    try foreign(secret.foreign(index), material: dataset)
  }

  /// Holds the key's images and labels against what its secret draws from the data.
  ///
  /// A commitment alone does not say that material was drawn and not chosen, for instance images that
  /// every model of the task answers as the owner wishes.
  ///
  /// - Parameter dataset: the owner's training set, or another.
  /// - Returns: true where the secret leaves no more to choose than every owner of the scheme chooses: carriers
  ///   need no images, or these are what it draws, and directions of shading are chosen by the usual rule
  ///   (`choosesByOwnRule`); false for others, and for data of another fingerprint, of which nothing
  ///   can be drawn again.
  /// - Throws: `WatermarkError.badKey` when the data have the key's fingerprint and give other material;
  ///   `TensorError`.
  public func isDrawn(from dataset: ImageDataset) throws -> Bool {
    guard let options = mark.carriers, options.family.needsMaterial else { return true }
    guard try dataset.fingerprint == trainFingerprint else { return false }
    let plan = try CarrierPlan(secret, options, classes: dataset.classCount)
    guard let material,
      let drawn = try CarrierMaterial.draw(plan, options, secret, from: dataset),
      drawn.positions == material.positions, drawn.labels == material.labels,
      drawn.images.shape == material.images.shape,
      try drawn.images.bytes() == material.images.bytes()
    else {
      throw WatermarkError.badKey(
        "the key",
        reason: "its images and labels are not those that its secret draws from the data")
    }
    return !choosesByOwnRule
  }

  /// The carriers; nil for schemes without any.
  ///
  /// - Throws: `WatermarkError.noImages` when the material is not that of the secret; `TensorError`.
  public func carriers() throws -> CarrierSet? {
    try mark.carriers.map {
      try CarrierSet(secret, $0, classes: classes, shape: shape, material: material)
    }
  }

  /// The commitment that follows from the key's parts; nil before the model is trained.
  ///
  /// SHA-256 over format, secret, owner, scheme with settings, task, facts, material and model digest.
  ///
  /// - Throws: `TensorError`.
  public func commitment() throws -> Commitment? {
    guard let modelDigest else { return nil }
    let task = "\(classes) \(shape) \(trainFingerprint)"
    return Commitment(
      fields: [
        Array(format.utf8), secret.bytes, Array(owner.utf8),
        Array(try JSONValue.text(of: mark).utf8), Array(task.utf8),
        Array(try JSONValue.text(of: facts).utf8),
      ] + (try materialFields()) + [Array(modelDigest.utf8)])
  }

  private func materialFields() throws -> [[UInt8]] {
    guard let material else { return [] }
    return [
      Array("\(material.images.shape) \(material.labels) \(material.positions)".utf8),
      try material.images.bytes(),
    ]
  }

  /// Digest of all that decides what a model is asked under this key and what its answers should be, whoever owns it
  /// and whatever model it was sealed to. Tells nothing of the secret, and is no commitment.
  ///
  /// - Throws: `TensorError`.
  func contents() throws -> SHA256Digest {
    Commitment(
      fields: [
        Array("contents of \(format)".utf8), secret.bytes,
        Array(try JSONValue.text(of: mark).utf8), Array("\(classes) \(shape)".utf8),
      ] + (try materialFields())
    ).digest
  }

  /// Throws unless the key opens a published commitment.
  ///
  /// - Throws: `WatermarkError.commitment`; `.badKey` for a key without a model.
  public func check(_ published: Commitment) throws {
    guard let own = try commitment() else {
      throw WatermarkError.badKey("the key", reason: "it belongs to no trained model yet")
    }
    guard own == published else {
      throw WatermarkError.commitment(published: published.description)
    }
  }

  /// Throws unless images and classes are those of the key's task.
  ///
  /// - Throws: `WatermarkError.mismatch`.
  public func check(_ dataset: ImageDataset) throws {
    let found = Array(dataset.images.shape.dropFirst())
    guard found == shape, dataset.classCount == classes else {
      throw WatermarkError.mismatch(
        "it is for \(classes) classes and images of \(shape), the data have "
          + "\(dataset.classCount) and \(found)")
    }
  }

  /// Throws unless a model can be asked about the key's carriers.
  ///
  /// - Throws: `WatermarkError.mismatch`.
  public func check(_ model: ImageClassifier) throws {
    let architecture = model.architecture
    guard architecture.classes == classes, architecture.channels == shape[0] else {
      throw WatermarkError.mismatch(
        "it is for \(classes) classes and \(shape[0]) channels, the model has "
          + "\(architecture.classes) and \(architecture.channels)")
    }
  }
}

extension WatermarkSecret: Codable {
  /// Reads 64 hexadecimal digits.
  ///
  /// - Throws: `DecodingError` for anything else.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let secret = WatermarkSecret(hexadecimal: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "the secret is not 64 hexadecimal digits")
    }
    self = secret
  }

  /// Writes 64 hexadecimal digits.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(hexadecimal)
  }
}
