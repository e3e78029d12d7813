/// How dotted names become paths in a file and back: `layer1.0.conv1.weight` is stored as
/// `layer1/0/conv1/weight`.
///
/// A component that HDF5 could not hold is percent-encoded (`/` as `%2F`, `%` as `%25`, control
/// characters likewise); an empty one becomes `%`.
enum TensorPath {
  /// The path components of a dotted name.
  static func components(of name: String) -> [String] {
    name.split(separator: ".", omittingEmptySubsequences: false).map { encode(String($0)) }
  }

  /// The dotted name of path components.
  static func name(of components: some Sequence<Substring>) -> String {
    components.map(decode).joined(separator: ".")
  }

  /// One component; unlike in ``components(of:)``, dots stay, except where HDF5 gives them a meaning.
  static func encode(_ component: String) -> String {
    if component.isEmpty { return "%" }
    if component == "." { return "%2E" }
    let digits = Array("0123456789ABCDEF".utf8)
    var bytes: [UInt8] = []
    for byte in component.utf8 {
      if byte < 32 || byte == 0x2F || byte == 0x25 || byte == 127 {
        bytes += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The component that was encoded.
  static func decode(_ component: some StringProtocol) -> String {
    if component == "%" { return "" }
    let source = Array(component.utf8)
    var bytes: [UInt8] = []
    var index = 0
    while index < source.count {
      if source[index] == 0x25, index + 2 < source.count,
        let value = UInt8(String(decoding: source[index + 1...index + 2], as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        index += 3
      } else {
        bytes.append(source[index])
        index += 1
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
