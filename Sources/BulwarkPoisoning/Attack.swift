import BulwarkTensor

/// One of the attacks, with its parameters.
///
/// As text it is one table: `kind` and the parameters beside it, for example
/// `{"kind": "blended", "alpha": 0.2}`; missing parameters take their defaults, unknown ones are refused.
public enum Attack: Hashable, Sendable {
  /// A patch on images of other classes, labeled as the target.
  case badNets(BadNetsAttack)
  /// A picture mixed into images of other classes, labeled as the target.
  case blended(BlendedAttack)
  /// A warp of images of other classes, labeled as the target.
  case waNet(WaNetAttack)
  /// Adversarial perturbation and trigger on images of the target class; labels stay true.
  case labelConsistent(LabelConsistentAttack)
  /// A sinusoid on images of the target class; labels stay true.
  case sinusoid(SinusoidAttack)

  /// The names of the attacks in files and on the command line.
  public enum Kind: String, Sendable, Codable, CaseIterable {
    /// Patch.
    case badNets = "badnets"
    /// Mixed-in picture.
    case blended
    /// Warp.
    case waNet = "wanet"
    /// PGD and trigger, clean-label.
    case labelConsistent = "label-consistent"
    /// Sinusoid, clean-label.
    case sinusoid = "sig"
  }

  /// The attack of this kind with default parameters.
  public init(_ kind: Kind) {
    switch kind {
    case .badNets: self = .badNets(BadNetsAttack())
    case .blended: self = .blended(BlendedAttack())
    case .waNet: self = .waNet(WaNetAttack())
    case .labelConsistent: self = .labelConsistent(LabelConsistentAttack())
    case .sinusoid: self = .sinusoid(SinusoidAttack())
    }
  }

  /// The attack of this name with default parameters.
  /// - Throws: `PoisonError.unknownName`.
  public init(named name: String) throws {
    guard let kind = Kind(rawValue: name) else {
      throw PoisonError.unknownName(
        what: "attack", name: name, valid: Kind.allCases.map(\.rawValue))
    }
    self.init(kind)
  }

  /// Which attack it is.
  public var kind: Kind {
    switch self {
    case .badNets: .badNets
    case .blended: .blended
    case .waNet: .waNet
    case .labelConsistent: .labelConsistent
    case .sinusoid: .sinusoid
    }
  }

  /// Whether labels stay true and only images of the target class are changed.
  public var isCleanLabel: Bool { kind == .labelConsistent || kind == .sinusoid }

  /// Whether making the poison takes a trained classifier.
  public var needsClassifier: Bool { kind == .labelConsistent }

  /// Images changed by noise mode for every poisoned image; 0 for all but WaNet.
  var noiseRatio: Double {
    if case .waNet(let attack) = self { return attack.noiseRatio }
    return 0
  }

  /// 0.05 of all images, as in DBD; for clean-label attacks 0.5 of the target class (the rate of
  /// DBD's first author's code; on ten equal classes it equals BackdoorBench's 5 %).
  public var defaultRate: Double { isCleanLabel ? 0.5 : 0.05 }

  /// Checks every parameter.
  /// - Throws: `PoisonError.invalidParameter` naming the first impossible one.
  public func validate() throws {
    switch self {
    case .badNets: break
    case .blended(let attack): try attack.validate()
    case .waNet(let attack): try attack.validate()
    case .labelConsistent(let attack): try attack.validate()
    case .sinusoid(let attack): try attack.validate()
    }
  }

  /// The trigger for images of one form.
  /// - Parameters:
  ///   - form: of the images.
  ///   - phase: training or testing; they differ where an attack has a strength of its own for tests.
  ///   - key: the key of the attack's seed, `AttackSpec.key`.
  /// - Returns: the trigger; preparing it once serves any number of batches.
  /// - Throws: `PoisonError.triggerTooLarge`, `.invalidParameter`; `TensorError`.
  public func trigger(for form: ImageForm, phase: Phase, key: RandomKey) throws -> any Trigger {
    switch self {
    case .badNets(let attack): try attack.patch.prepared(for: form)
    case .blended(let attack): try attack.prepared(for: form, phase: phase)
    case .waNet(let attack): try attack.field(for: form, key: key)
    case .labelConsistent(let attack): try attack.prepared(for: form)
    case .sinusoid(let attack): try attack.prepared(for: form, phase: phase)
    }
  }
}

extension Attack: Codable {
  private enum CodingKeys: String, CodingKey { case kind }

  /// Reads a table with `kind` and the parameters of that attack, or the name alone.
  public init(from decoder: any Decoder) throws {
    if let name = try? decoder.singleValueContainer().decode(String.self) {
      try self.init(named: name)
      return
    }
    let name = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .kind)
    switch try Attack(named: name).kind {
    case .badNets: self = .badNets(try BadNetsAttack(from: decoder))
    case .blended: self = .blended(try BlendedAttack(from: decoder))
    case .waNet: self = .waNet(try WaNetAttack(from: decoder))
    case .labelConsistent: self = .labelConsistent(try LabelConsistentAttack(from: decoder))
    case .sinusoid: self = .sinusoid(try SinusoidAttack(from: decoder))
    }
  }

  /// Writes `kind` and the parameters into one table.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(kind.rawValue, forKey: .kind)
    switch self {
    case .badNets(let attack): try attack.encode(to: encoder)
    case .blended(let attack): try attack.encode(to: encoder)
    case .waNet(let attack): try attack.encode(to: encoder)
    case .labelConsistent(let attack): try attack.encode(to: encoder)
    case .sinusoid(let attack): try attack.encode(to: encoder)
    }
  }
}
