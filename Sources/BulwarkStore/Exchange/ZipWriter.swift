/// Writes a zip archive of stored entries whose data start at multiples of 64 bytes, as PyTorch does.
struct ZipWriter {
  private struct Line {
    var name: [UInt8]
    var checksum: UInt32
    var size: Int
    var offset: Int
  }

  private let file: FileDescriptor
  private var position = 0
  private var lines: [Line] = []

  init(_ file: FileDescriptor) { self.file = file }

  /// Adds an entry.
  mutating func add(_ name: String, _ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try add(name, $0) }
  }

  /// Adds an entry.
  mutating func add(_ name: String, _ bytes: UnsafeRawBufferPointer) throws {
    var sum = CRC32()
    sum.add(bytes)
    let line = Line(
      name: Array(name.utf8), checksum: sum.value, size: bytes.count, offset: position)
    let dataStart = position + 30 + line.name.count + 4
    let padding = (64 - dataStart % 64) % 64
    // An extra field of a private kind ("FB") fills the space up to the alignment.
    let extra = Array("FB".utf8) + little(padding, 2) + [UInt8](repeating: 0x5A, count: padding)
    try write(little(0x0403_4B50, 4) + common(line) + little(extra.count, 2) + line.name + extra)
    try file.write(bytes, at: position)
    position += bytes.count
    lines.append(line)
  }

  /// Writes the directory.
  mutating func finish() throws {
    let start = position
    for line in lines {
      try write(
        little(0x0201_4B50, 4) + little(0, 2) + common(line) + little(0, 12)
          + little(line.offset, 4) + line.name)
    }
    let size = position - start
    try write(
      little(0x0605_4B50, 4) + little(0, 4) + little(lines.count, 2) + little(lines.count, 2)
        + little(size, 4) + little(start, 4) + little(0, 2))
  }

  /// Version, flags (UTF-8 names), method, date (1980-01-01), checksum, sizes, length of the name.
  private func common(_ line: Line) -> [UInt8] {
    little(0, 2) + little(0x800, 2) + little(0, 2) + little(0, 2) + little(0x21, 2)
      + little(Int(line.checksum), 4) + little(line.size, 4) + little(line.size, 4)
      + little(line.name.count, 2)
  }

  private mutating func write(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try file.write($0, at: position) }
    position += bytes.count
  }
}
