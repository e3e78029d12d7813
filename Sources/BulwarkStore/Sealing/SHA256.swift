import CCrypto

/// SHA-256 digests, computed by OpenSSL.
public struct SHA256Digest: Hashable, Sendable, CustomStringConvertible {
  /// The 32 bytes.
  public let bytes: [UInt8]

  /// The digest of some bytes in memory.
  public init(of buffer: UnsafeRawBufferPointer) {
    var result = [UInt8](repeating: 0, count: 32)
    var length: UInt32 = 32
    let status = EVP_Digest(
      buffer.baseAddress, buffer.count, &result, &length, EVP_sha256(), nil)
    precondition(status == 1 && length == 32, "OpenSSL has no SHA-256")
    bytes = result
  }

  /// The digest of an array of bytes.
  public init(of bytes: [UInt8]) {
    self = bytes.withUnsafeBytes { SHA256Digest(of: $0) }
  }

  /// The digest of a text's UTF-8 bytes.
  public init(of text: String) { self.init(of: Array(text.utf8)) }

  /// A digest read from a file; nil unless there are 32 bytes.
  public init?(bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    self.bytes = bytes
  }

  /// A digest from its 64 hexadecimal digits; nil for anything else.
  public init?(hexadecimal text: some StringProtocol) {
    var bytes: [UInt8] = []
    var high: UInt8?
    for scalar in text.utf8 {
      let digit: UInt8
      switch scalar {
      case 48...57: digit = scalar - 48
      case 97...102: digit = scalar - 87
      default: return nil
      }
      if let first = high {
        bytes.append(first << 4 | digit)
        high = nil
      } else {
        high = digit
      }
    }
    guard high == nil else { return nil }
    self.init(bytes: bytes)
  }

  /// 64 lowercase hexadecimal digits.
  public var description: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(
      decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
