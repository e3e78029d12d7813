import BulwarkStore
import BulwarkTensor

/// The secret of a watermark: 32 bytes from which carriers, labels, projections and bits follow.
///
/// Everything is drawn by a pseudo-random function, SHA-256(secret ‖ name ‖ 0 ‖ index), so that an owner
/// cannot choose what the commitment does not already fix. Bits and integers use the digest itself;
/// images and projections use a `RandomKey` of its first 64 bits.
public struct WatermarkSecret: Hashable, Sendable {
  /// The 32 bytes.
  public let bytes: [UInt8]

  /// A secret from 32 bytes; nil for any other number.
  public init?(bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    self.bytes = bytes
  }

  /// A secret from 64 hexadecimal digits; nil for anything else.
  public init?(hexadecimal text: some StringProtocol) {
    guard let digest = SHA256Digest(hexadecimal: text) else { return nil }
    bytes = digest.bytes
  }

  /// A new secret from the operating system's generator: the only draw in Bulwark without a key, since
  /// whoever knows the key would know the secret.
  public static func random() -> WatermarkSecret {
    var generator = SystemRandomNumberGenerator()
    let words = (0..<4).map { _ in generator.next() as UInt64 }
    return WatermarkSecret(
      unchecked: words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
      })
  }

  /// The secret of the index-th key that nobody chose: SHA-256 of a public text. Foreign keys, which a
  /// suspect is compared under, and the keys of tests come from here.
  ///
  /// - Parameters:
  ///   - purpose: what the keys are for.
  ///   - index: number of the key.
  /// - Returns: the same for everybody.
  public static func published(_ purpose: String, _ index: Int) -> WatermarkSecret {
    WatermarkSecret(unchecked: SHA256Digest(of: "bulwark watermark \(purpose) \(index)").bytes)
  }

  private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

  /// 64 hexadecimal digits.
  public var hexadecimal: String {
    SHA256Digest(bytes: bytes)?.description ?? ""
  }

  /// The index-th block of a named stream: 32 bytes.
  public func block(_ name: String, _ index: Int = 0) -> [UInt8] {
    let counter = (0..<8).map { UInt8(truncatingIfNeeded: UInt64(index) >> (8 * $0)) }
    return SHA256Digest(of: bytes + Array(name.utf8) + [0] + counter).bytes
  }

  /// The key of images and projections drawn under a name; 64 of the secret's 256 bits.
  public func randomKey(_ name: String) -> RandomKey {
    RandomKey(seed: block(name).prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) })
  }

  /// Independent fair bits.
  ///
  /// - Parameters:
  ///   - name: of the stream.
  ///   - count: how many.
  /// - Returns: `count` bits.
  public func bits(_ name: String, count: Int) -> [Bool] {
    var bits: [Bool] = []
    var index = 0
    while bits.count < count {
      for byte in block(name, index) { for bit in 0..<8 { bits.append(byte >> bit & 1 == 1) } }
      index += 1
    }
    return Array(bits.prefix(count))
  }

  /// Independent uniform integers in `0..<bound`, without bias: values of the last, incomplete round of
  /// 2³² are drawn again.
  ///
  /// - Parameters:
  ///   - name: of the stream.
  ///   - count: how many.
  ///   - bound: above 0.
  /// - Returns: `count` values in `0..<bound`.
  public func integers(_ name: String, count: Int, below bound: Int) -> [Int] {
    precondition(bound > 0, "integers are drawn below a positive bound")
    let limit = (1 << 32) / bound * bound
    var values: [Int] = []
    var index = 0
    while values.count < count {
      let block = block(name, index)
      for word in 0..<8 {
        let value = (0..<4).reduce(0) { $0 | Int(block[4 * word + $1]) << (8 * $1) }
        if value < limit { values.append(value % bound) }
      }
      index += 1
    }
    return Array(values.prefix(count))
  }

  /// Some of `0..<bound` without repetition, in random order.
  ///
  /// - Parameters:
  ///   - name: of the stream.
  ///   - count: at most `bound`.
  ///   - bound: above 0. Cost: O(bound).
  /// - Returns: `count` different values in `0..<bound`.
  public func selection(_ name: String, count: Int, below bound: Int) -> [Int] {
    precondition(count <= bound, "a selection cannot hold more than there are")
    var rest = Array(0..<bound)
    var generator = randomKey(name).generator()
    for place in 0..<count {
      let other = place + Int(generator.uniform() * Double(bound - place))
      rest.swapAt(place, min(other, bound - 1))
    }
    return Array(rest.prefix(count))
  }
}
