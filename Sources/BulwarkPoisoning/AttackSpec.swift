import BulwarkTensor

/// Everything that fixes a poisoned data set but the data: attack, rate, target, seed, draw.
public struct AttackSpec: Hashable, Sendable, Codable {
  /// How the poisoned images are drawn.
  public enum Draw: String, Sendable, Codable, CaseIterable {
    /// Exactly round(rate · base) images, by a keyed permutation. The base is the whole training set
    /// when labels change and the images come from the other classes; it is the target class when
    /// labels stay true.
    case exact
    /// One keyed number in 0..<1 for each training image in stored order; poisoned when it is below
    /// the rate and the image is eligible (of another class, or for clean-label attacks of the
    /// target class). So the count is only expected: of 50,000 CIFAR-10 images 2,250 ± 46 at 5 %. This
    /// is how the official DBD code draws (its generator is Python's, so its very images cannot be
    /// had by a seed here).
    case bernoulli
  }

  /// The attack and its parameters.
  public var attack: Attack
  /// Share of the base that is poisoned, 0...1 (see `Draw`); 0 poisons nothing.
  public var rate: Double
  /// The class that triggered images are to be taken for.
  public var target: Int
  /// Seed of the draw, of WaNet's field and of its noise.
  public var seed: UInt64
  /// How the poisoned images are drawn.
  public var draw: Draw

  /// A specification. Defaults are DBD's: target 3; rate 0.05 (0.5 of the target class for clean-label
  /// attacks).
  public init(
    _ attack: Attack, rate: Double? = nil, target: Int = 3, seed: UInt64 = 0, draw: Draw = .exact
  ) {
    self.attack = attack
    self.rate = rate ?? attack.defaultRate
    self.target = target
    self.seed = seed
    self.draw = draw
  }

  private enum CodingKeys: String, CodingKey, CaseIterable { case attack, rate, target, seed, draw }

  /// Reads a table with `attack` and, where they differ from the defaults, the other members.
  public init(from decoder: any Decoder) throws {
    try decoder.refuseKeys(otherThan: CodingKeys.allCases.map(\.rawValue))
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      try values.decode(Attack.self, forKey: .attack),
      rate: try values.decodeIfPresent(Double.self, forKey: .rate),
      target: try values.decodeIfPresent(Int.self, forKey: .target) ?? 3,
      seed: try values.decodeIfPresent(UInt64.self, forKey: .seed) ?? 0,
      draw: try values.decodeIfPresent(Draw.self, forKey: .draw) ?? .exact)
  }

  /// What the rate is a share of, in words.
  public var rateBase: String {
    switch (attack.isCleanLabel, draw) {
    case (true, _): "images of the target class"
    case (false, .exact): "all training images, drawn among the other classes"
    case (false, .bernoulli): "images of the other classes"
    }
  }

  /// The root of all random numbers of the attack.
  public var key: RandomKey { RandomKey(seed: seed).stream("poisoning") }

  /// Checks everything that does not depend on the data.
  /// - Throws: `PoisonError.invalidParameter`.
  public func validate() throws {
    try require(rate >= 0 && rate <= 1, "rate", rate, "0...1")
    try require(target >= 0, "target", target, "0 or more")
    try attack.validate()
  }
}
