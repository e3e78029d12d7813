/// The stored (uncompressed) entries of a zip archive, as PyTorch writes them, with zip64 sizes.
struct ZipReader {
  struct Entry {
    /// Where the data starts in the file.
    var offset: Int
    var size: Int
    var checksum: UInt32
  }

  let file: FileDescriptor
  let path: String
  private(set) var entries: [String: Entry] = [:]
  private let fileSize: Int

  /// Reads the directory of an archive; throws ``StoreError`` when it is none or is damaged.
  init(_ file: FileDescriptor, path: String) throws {
    self.file = file
    self.path = path
    fileSize = try file.size()
    let (start, size, count) = try directory()
    let bytes = try file.bytes(size, at: start)
    var position = 0
    for _ in 0..<count {
      position += try readEntry(bytes, at: position)
    }
  }

  /// All bytes of an entry, checked against its checksum.
  func bytes(_ name: String) throws -> [UInt8] {
    let entry = try entry(name)
    let bytes = try file.bytes(entry.size, at: entry.offset)
    try compare(CRC32.of(bytes), entry, name)
    return bytes
  }

  /// Reads an entry once and compares its checksum.
  func check(_ name: String) throws {
    let entry = try entry(name)
    var sum = CRC32()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { buffer.deallocate() }
    for offset in stride(from: 0, to: entry.size, by: buffer.count) {
      let part = UnsafeMutableRawBufferPointer(
        rebasing: buffer[..<min(buffer.count, entry.size - offset)])
      try file.read(into: part, at: entry.offset + offset)
      sum.add(UnsafeRawBufferPointer(part))
    }
    try compare(sum.value, entry, name)
  }

  func entry(_ name: String) throws -> Entry {
    guard let entry = entries[name] else { throw damaged(name, "an entry", "none") }
    return entry
  }

  private func compare(_ found: UInt32, _ entry: Entry, _ name: String) throws {
    if found != entry.checksum {
      throw StoreError(
        .digestMismatch, file: path, item: name, expected: "CRC-32 \(entry.checksum)",
        found: "\(found)", remedy: "The file is damaged; use another copy.")
    }
  }

  // MARK: Structure

  private func directory() throws -> (start: Int, size: Int, count: Int) {
    let tail = try file.bytes(min(fileSize, 65_557), at: max(0, fileSize - 65_557))
    let base = fileSize - tail.count
    guard tail.count >= 22,
      let end = stride(from: tail.count - 22, through: 0, by: -1).first(where: {
        number(tail, $0, 4) == 0x0605_4B50
      })
    else { throw damaged("end of the archive", "a directory of entries", "none") }
    var count = number(tail, end + 10, 2)
    var size = number(tail, end + 12, 4)
    var start = number(tail, end + 16, 4)
    if end >= 20, number(tail, end - 20, 4) == 0x0706_4B50 {
      let record = number(tail, end - 12, 8)
      guard record >= base, record <= fileSize - 56,
        number(tail, record - base, 4) == 0x0606_4B50
      else { throw damaged("end of the archive", "a zip64 record", "none") }
      let place = record - base
      count = number(tail, place + 32, 8)
      size = number(tail, place + 40, 8)
      start = number(tail, place + 48, 8)
    }
    guard start >= 0, size >= 0, start <= fileSize, size <= fileSize - start, count >= 0,
      count <= size / 46
    else { throw damaged("directory", "a place inside \(fileSize) bytes", "\(start), \(size)") }
    return (start, size, count)
  }

  /// Reads one line of the directory; returns its length.
  private mutating func readEntry(_ bytes: [UInt8], at p: Int) throws -> Int {
    guard p + 46 <= bytes.count, number(bytes, p, 4) == 0x0201_4B50 else {
      throw damaged("directory", "an entry", "something else")
    }
    let nameLength = number(bytes, p + 28, 2)
    let extraLength = number(bytes, p + 30, 2)
    let length = 46 + nameLength + extraLength + number(bytes, p + 32, 2)
    guard p + length <= bytes.count else { throw damaged("directory", "a whole entry", "less") }
    let name = String(decoding: bytes[p + 46..<p + 46 + nameLength], as: UTF8.self)
    var packed = number(bytes, p + 20, 4)
    var size = number(bytes, p + 24, 4)
    var header = number(bytes, p + 42, 4)
    let extra = Array(bytes[p + 46 + nameLength..<p + 46 + nameLength + extraLength])
    var wide = zip64(extra)[...]
    if size == 0xFFFF_FFFF { size = wide.popFirst() ?? -1 }
    if packed == 0xFFFF_FFFF { packed = wide.popFirst() ?? -1 }
    if header == 0xFFFF_FFFF { header = wide.popFirst() ?? -1 }
    guard number(bytes, p + 10, 2) == 0, packed == size, number(bytes, p + 8, 2) & 1 == 0 else {
      throw damaged(name, "a stored entry without compression or encryption", "another kind")
    }
    guard header >= 0, header <= fileSize - 30 else {
      throw damaged(name, "a place inside the file", "\(header)")
    }
    let local = try file.bytes(30, at: header)
    let offset = header + 30 + number(local, 26, 2) + number(local, 28, 2)
    guard number(local, 0, 4) == 0x0403_4B50, size >= 0, offset <= fileSize,
      size <= fileSize - offset
    else { throw damaged(name, "\(size) bytes inside the file", "fewer") }
    let entry = Entry(offset: offset, size: size, checksum: UInt32(number(bytes, p + 16, 4)))
    if entries.updateValue(entry, forKey: name) != nil {
      throw damaged(name, "each entry once", "the entry twice")
    }
    return length
  }

  /// The 64-bit numbers of the zip64 extra field.
  private func zip64(_ extra: [UInt8]) -> [Int] {
    var position = 0
    while position + 4 <= extra.count {
      let size = number(extra, position + 2, 2)
      guard position + 4 + size <= extra.count else { return [] }
      if number(extra, position, 2) == 1 {
        return stride(from: position + 4, to: position + 4 + size - 7, by: 8).map {
          number(extra, $0, 8)
        }
      }
      position += 4 + size
    }
    return []
  }

  /// A little-endian number; 64-bit ones beyond `Int` turn negative and fail the range checks.
  private func number(_ bytes: [UInt8], _ at: Int, _ count: Int) -> Int {
    bytes[at..<at + count].reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  private func damaged(_ item: String, _ expected: String, _ found: String) -> StoreError {
    StoreError(
      .invalidContent, file: path, item: item, expected: expected, found: found,
      remedy: "The file is damaged or not from torch.save; use another copy.")
  }
}
