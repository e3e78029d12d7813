/// HDF5's metadata checksum, Bob Jenkins' lookup3 `hashlittle` (public domain), so that a test can damage
/// metadata in a way that HDF5's own check does not notice.
func lookup3(_ bytes: ArraySlice<UInt8>) -> UInt32 {
  var a = UInt32(0xDEAD_BEEF) &+ UInt32(bytes.count)
  var b = a
  var c = a
  func turn(_ value: UInt32, _ count: UInt32) -> UInt32 { value << count | value >> (32 - count) }
  func word(_ part: ArraySlice<UInt8>, _ index: Int) -> UInt32 {
    (0..<4).reduce(0) { sum, byte in
      let place = part.startIndex + 4 * index + byte
      return sum | (place < part.endIndex ? UInt32(part[place]) << (8 * UInt32(byte)) : 0)
    }
  }
  var rest = bytes
  while rest.count > 12 {
    a = a &+ word(rest, 0)
    b = b &+ word(rest, 1)
    c = c &+ word(rest, 2)
    for (shift, target) in [(4, 0), (6, 1), (8, 2), (16, 0), (19, 1), (4, 2)] as [(UInt32, Int)] {
      switch target {
      case 0: a = (a &- c) ^ turn(c, shift); c = c &+ b
      case 1: b = (b &- a) ^ turn(a, shift); a = a &+ c
      default: c = (c &- b) ^ turn(b, shift); b = b &+ a
      }
    }
    rest = rest.dropFirst(12)
  }
  if rest.isEmpty { return c }
  a = a &+ word(rest, 0)
  b = b &+ word(rest, 1)
  c = c &+ word(rest, 2)
  c = (c ^ b) &- turn(b, 14)
  a = (a ^ c) &- turn(c, 11)
  b = (b ^ a) &- turn(a, 25)
  c = (c ^ b) &- turn(b, 16)
  a = (a ^ c) &- turn(c, 4)
  b = (b ^ a) &- turn(a, 14)
  return (c ^ b) &- turn(b, 24)
}

/// The object headers of a file: the range of bytes that each checksum covers.
func objectHeaders(_ bytes: [UInt8]) -> [Range<Int>] {
  bytes.indices.dropLast(16).compactMap { start in
    guard bytes[start..<start + 5] == [0x4F, 0x48, 0x44, 0x52, 2] else { return nil }
    let flags = bytes[start + 5]
    var place = start + 6 + (flags & 0x20 != 0 ? 16 : 0) + (flags & 0x10 != 0 ? 4 : 0)
    let width = 1 << Int(flags & 3)
    let size = (0..<width).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
    place += width + size
    return place + 4 <= bytes.count ? start..<place : nil
  }
}
