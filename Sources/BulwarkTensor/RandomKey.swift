import CTorch

/// The name of one stream of random numbers: a value, not a generator with state.
///
/// Whoever needs random numbers derives a key from the run's seed by names and steps and draws from
/// it; the same key gives the same numbers whenever and in whatever order it is asked. So a run
/// resumed at step n needs nothing but its seed and n. Draws are made on the CPU, by LibTorch's
/// Mersenne Twister seeded from the key, and are the same on every device.
public struct RandomKey: Hashable, Sendable, Codable {
  /// The key's value.
  public let value: UInt64

  /// The root key of a run.
  public init(seed: UInt64) { value = RandomKey.mix(seed &+ 0x9E37_79B9_7F4A_7C15) }

  private init(value: UInt64) { self.value = value }

  /// The finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
  private static func mix(_ input: UInt64) -> UInt64 {
    var z = input
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// The key of a named purpose, for example `"augment"`.
  public func stream(_ name: String) -> RandomKey {
    // FNV-1a over the UTF-8 bytes, then mixed with the key.
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return RandomKey(value: RandomKey.mix(value ^ RandomKey.mix(hash)))
  }

  /// The key of the i-th step, epoch or sample.
  public func step(_ index: Int) -> RandomKey {
    RandomKey(
      value: RandomKey.mix(
        value &+ RandomKey.mix(UInt64(bitPattern: Int64(index)) &+ 0x9E37_79B9_7F4A_7C15)))
  }

  /// float32 numbers, uniform in `low..<high`.
  public func uniform(_ shape: [Int], from low: Double = 0, to high: Double = 1) throws -> Tensor {
    let lengths = shape.map(Int64.init)
    return try Tensor.make {
      $0.random_uniform(value, lengths, Int32(lengths.count), low, high, $1)
    }
  }

  /// float32 numbers of the standard normal distribution.
  public func normal(_ shape: [Int]) throws -> Tensor {
    let lengths = shape.map(Int64.init)
    return try Tensor.make { $0.random_normal(value, lengths, Int32(lengths.count), $1) }
  }

  /// int64 numbers, uniform in `0..<bound`.
  public func integers(_ shape: [Int], below bound: Int) throws -> Tensor {
    let lengths = shape.map(Int64.init)
    return try Tensor.make {
      $0.random_integers(value, lengths, Int32(lengths.count), Int64(bound), $1)
    }
  }

  /// The numbers `0..<count` in random order, int64.
  public func permutation(_ count: Int) throws -> Tensor {
    try Tensor.make { $0.random_permutation(value, Int64(count), $1) }
  }

  /// A generator for draws on the host that need no tensor.
  public func generator() -> KeyedGenerator { KeyedGenerator(state: value) }
}

/// SplitMix64 started at a key: Swift's interface to keyed random numbers.
public struct KeyedGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  init(state: UInt64) { self.state = state }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A double, uniform in 0..<1.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }
}
