import BulwarkStore
import Foundation

/// The secret of a watermark: 32 bytes from which carriers, labels, projections and bits follow.
///
/// Everything is drawn by a pseudo-random function, SHA-256(secret ‖ name ‖ 0 ‖ index), so that an owner
/// cannot choose what the commitment does not already fix. Every draw uses the digests themselves and no
/// generator that is seeded with a part of them, so all 256 bits count: whoever does not know the secret
/// cannot list the carriers or projections that it may give.
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

  /// The secret of the index-th key that nobody chose: SHA-256 of a public text. For experiments that
  /// others are to repeat; never for what a thief must not know, such as the keys that a suspect is
  /// compared under.
  ///
  /// - Parameters:
  ///   - purpose: what the keys are for.
  ///   - index: number of the key.
  /// - Returns: the same for everybody.
  public static func published(_ purpose: String, _ index: Int) -> WatermarkSecret {
    WatermarkSecret(unchecked: SHA256Digest(of: "bulwark watermark \(purpose) \(index)").bytes)
  }

  private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

  /// The secret of the index-th foreign key that a suspect is compared under: a block of this one.
  ///
  /// The commitment fixes it, so that the owner cannot choose it afterwards, and nobody who does not know
  /// this secret can guess it, so that a thief cannot teach a model what foreign keys score.
  ///
  /// - Parameter index: number of the key.
  /// - Returns: the same for everybody who knows this secret.
  public func foreign(_ index: Int) -> WatermarkSecret {
    WatermarkSecret(unchecked: block("foreign key", index))
  }

  /// 64 hexadecimal digits.
  public var hexadecimal: String {
    SHA256Digest(bytes: bytes)?.description ?? ""
  }

  /// The index-th block of a named stream: 32 bytes.
  public func block(_ name: String, _ index: Int = 0) -> [UInt8] {
    let counter = (0..<8).map { UInt8(truncatingIfNeeded: UInt64(index) >> (8 * $0)) }
    return SHA256Digest(of: bytes + Array(name.utf8) + [0] + counter).bytes
  }

  /// Independent uniform 32-bit words: the blocks of a stream in order, eight little-endian words each.
  ///
  /// - Parameters:
  ///   - name: of the stream.
  ///   - count: how many. Cost: one SHA-256 for eight.
  /// - Returns: `count` words.
  public func words(_ name: String, count: Int) -> [UInt32] {
    var message = bytes + Array(name.utf8) + [UInt8](repeating: 0, count: 9)
    let counter = message.count - 8
    var words: [UInt32] = []
    words.reserveCapacity(count + 7)
    var index: UInt64 = 0
    while words.count < count {
      for byte in 0..<8 {
        message[counter + byte] = UInt8(truncatingIfNeeded: index >> UInt64(8 * byte))
      }
      SHA256Digest(of: message).bytes.withUnsafeBytes { block in
        for word in 0..<8 {
          words.append(
            UInt32(littleEndian: block.loadUnaligned(fromByteOffset: 4 * word, as: UInt32.self)))
        }
      }
      index += 1
    }
    words.removeLast(words.count - count)
    return words
  }

  /// Independent uniform numbers, (word + 1/2) / 2³², scaled.
  ///
  /// - Parameters:
  ///   - name: of the stream.
  ///   - count: how many.
  ///   - low: lower end.
  ///   - high: upper end.
  /// - Returns: `count` values between `low` and `high`.
  public func uniforms(_ name: String, count: Int, from low: Double, to high: Double) -> [Float] {
    words(name, count: count).map { Float(low + (high - low) * WatermarkSecret.unit($0)) }
  }

  /// Independent standard normal numbers by Box and Muller's transform: of two uniforms u and v come
  /// √(−2 ln u) · cos 2πv and √(−2 ln u) · sin 2πv. None lies beyond ±6.8.
  ///
  /// - Parameters:
  ///   - name: of the stream.
  ///   - count: how many.
  /// - Returns: `count` values.
  public func normals(_ name: String, count: Int) -> [Float] {
    let words = words(name, count: count + count % 2)
    var values: [Float] = []
    values.reserveCapacity(words.count)
    for pair in stride(from: 0, to: words.count, by: 2) {
      let radius = (-2 * log(WatermarkSecret.unit(words[pair]))).squareRoot()
      let angle = 2 * Double.pi * WatermarkSecret.unit(words[pair + 1])
      values.append(Float(radius * cos(angle)))
      values.append(Float(radius * sin(angle)))
    }
    return Array(values.prefix(count))
  }

  private static func unit(_ word: UInt32) -> Double { (Double(word) + 0.5) * 0x1p-32 }

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

  /// Some of `0..<bound` without repetition, in random order: the first steps of Fisher and Yates's
  /// shuffle, each with a 64-bit number, so that no order is likelier than another by more than one part
  /// in 2⁶⁴ / `bound` a step.
  ///
  /// - Parameters:
  ///   - name: of the stream.
  ///   - count: at most `bound`.
  ///   - bound: above 0. Cost: O(bound), and one SHA-256 for four values.
  /// - Returns: `count` different values in `0..<bound`.
  public func selection(_ name: String, count: Int, below bound: Int) -> [Int] {
    precondition(count <= bound, "a selection cannot hold more than there are")
    var rest = Array(0..<bound)
    let words = words(name, count: 2 * count)
    for place in 0..<count {
      let number = UInt64(words[2 * place]) | UInt64(words[2 * place + 1]) << 32
      let step = UInt64(bound - place).multipliedFullWidth(by: number).high
      rest.swapAt(place, place + Int(step))
    }
    return Array(rest.prefix(count))
  }
}
