import BulwarkTensor

/// The table of a file's data sets, in the order in which they were written.
///
/// Stored as the text data set `digests`, one line each: SHA-256 of the elements' little-endian
/// bytes, type, shape (`scalar` or `64x3x3x3`) and path. The table's own digest is the root attribute
/// `digests_sha256`.
struct DigestTable: Equatable {
  struct Row: Equatable {
    var digest: SHA256Digest
    var type: String
    var shape: [Int]
    var path: String
  }

  static let dataset = "digests"
  static let attribute = "digests_sha256"

  var rows: [Row] = []

  var text: String {
    rows.map { row in
      let shape = row.shape.isEmpty ? "scalar" : row.shape.map(String.init).joined(separator: "x")
      return "\(row.digest)  \(row.type)  \(shape)  \(row.path)\n"
    }.joined()
  }

  init(rows: [Row] = []) { self.rows = rows }

  /// Reads the text form; nil when a line is malformed.
  init?(parsing text: String) {
    for line in text.split(separator: "\n") {
      // The path comes last and may contain blanks.
      let parts = line.split(separator: " ", maxSplits: 6, omittingEmptySubsequences: false)
      guard parts.count == 7, parts[1].isEmpty, parts[3].isEmpty, parts[5].isEmpty,
        let digest = SHA256Digest(hexadecimal: parts[0])
      else { return nil }
      let shape = parts[4] == "scalar" ? [] : parts[4].split(separator: "x").map { Int($0) ?? -1 }
      guard !shape.contains(-1) else { return nil }
      rows.append(
        Row(digest: digest, type: String(parts[2]), shape: shape, path: String(parts[6])))
    }
  }
}

extension HDF5DatasetInfo.Element {
  /// Name of the type in the digest table.
  var name: String {
    switch self {
    case .number(let number): "\(number)"
    case .text(let bytes): "text\(bytes)"
    case .other: "other"
    }
  }
}
