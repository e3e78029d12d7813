import BulwarkTensor
import Foundation

/// Reader and writer of the safetensors format: 8 bytes of header length, a JSON header, the data.
///
/// The format is described at https://github.com/huggingface/safetensors. The reader checks what its
/// text demands: a bounded header, no duplicate names, offsets that cover the data exactly, without
/// holes or overlaps, and sizes that fit type and shape.
public enum Safetensors {
  /// Headers longer than this are refused, as by the reference reader.
  static let headerLimit = 100_000_000

  /// The content of a file.
  public struct Content: Sendable {
    /// The tensors in the order of their data.
    public var tensors: StateDict
    /// The free texts of `__metadata__`.
    public var metadata: [String: String]
  }

  private struct Line: Decodable {
    var dtype: String
    var shape: [Int]
    var data_offsets: [Int]
  }

  /// Reads a file; tensors come to the CPU.
  ///
  /// - Throws: ``StoreError``: `truncated`, `foreignFile`, `invalidContent`, `invalidName` for a name
  ///   used twice, `oversized`, `unexpectedType` for element types that Bulwark has no tensor for.
  public static func read(_ path: String) throws -> Content {
    let file = try FileDescriptor(opening: path, shownAs: path)
    let size = try file.size()
    guard size >= 8 else { throw error(.truncated, path, nil, "at least 8 bytes", "\(size)") }
    let length = try file.bytes(8, at: 0).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length >= 2, length <= UInt64(headerLimit) else {
      throw error(.foreignFile, path, "header", "2 to \(headerLimit) bytes", "\(length)")
    }
    let start = 8 + Int(length)
    guard start <= size else {
      throw error(.truncated, path, "header", "\(start) bytes", "\(size)")
    }
    let header = try file.bytes(Int(length), at: 8)
    let lines = try parse(header, path: path)
    var position = 0
    var tensors = StateDict()
    for (name, line) in lines.tensors {
      let (dtype, bytes) = try check(line, name: name, at: position, path: path)
      guard bytes <= size - start - position else {
        throw error(
          .truncated, path, name, "\(start + position + bytes) bytes in the file", "\(size)")
      }
      tensors[name] = try Tensor.filled(line.shape, dtype: dtype) {
        try file.read(into: $0, at: start + position)
      }
      position += bytes
    }
    guard start + position == size else {
      throw error(
        .invalidContent, path, nil, "data of \(position) bytes, as the header says",
        "\(size - start)")
    }
    return Content(tensors: tensors, metadata: lines.metadata)
  }

  /// Writes a state dict.
  ///
  /// - Parameters:
  ///   - tensors: the tensors; `__metadata__` is no name.
  ///   - path: the file.
  ///   - metadata: free texts; `format: pt` tells other readers about the layout.
  ///   - overwrite: whether an existing file may be replaced.
  /// - Throws: ``StoreError`` of kind `exists`, `cannotCreate`, `writeFailed` or `invalidName`.
  public static func write(
    _ tensors: StateDict, to path: String, metadata: [String: String] = ["format": "pt"],
    overwrite: Bool = false
  ) throws {
    guard tensors["__metadata__"] == nil else {
      throw error(.invalidName, path, "__metadata__", "a tensor name", "a reserved word")
    }
    // Widest elements first keeps every tensor aligned to its element.
    let order = tensors.entries.enumerated().sorted {
      ($1.element.tensor.dtype.byteSize, $0.offset) < ($0.element.tensor.dtype.byteSize, $1.offset)
    }.map(\.element)
    var position = 0
    var lines: [String] = []
    if !metadata.isEmpty {
      lines.append("\"__metadata__\":" + (try JSONValue(encoding: metadata).text()))
    }
    for entry in order {
      let bytes = entry.tensor.count * entry.tensor.dtype.byteSize
      let shape = entry.tensor.shape.map(String.init).joined(separator: ",")
      lines.append(
        try JSONValue.string(entry.name).text()
          + ":{\"dtype\":\"\(code(of: entry.tensor.dtype))\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(position),\(position + bytes)]}")
      position += bytes
    }
    var header = Array("{\(lines.joined(separator: ","))}".utf8)
    header += [UInt8](repeating: 0x20, count: (8 - header.count % 8) % 8)
    let prefix = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) } + header
    try AtomicFile.replace(path, overwrite: overwrite) { temporary in
      let file = try FileDescriptor(creating: temporary, shownAs: path)
      try prefix.withUnsafeBytes { try file.write($0, at: 0) }
      var offset = prefix.count
      for entry in order {
        try entry.tensor.withUnsafeBytes { try file.write($0, at: offset) }
        offset += entry.tensor.count * entry.tensor.dtype.byteSize
      }
      try file.flush()
    }
  }

  // MARK: Header

  private static func parse(_ header: [UInt8], path: String) throws -> (
    tensors: [(String, Line)], metadata: [String: String]
  ) {
    guard header.first == UInt8(ascii: "{") else {
      throw error(.foreignFile, path, "header", "a JSON table", "something else")
    }
    if let twice = try duplicateKey(header, path: path) {
      throw error(.invalidName, path, twice, "each name once", "the name twice")
    }
    do {
      var members = try JSONDecoder().decode([String: JSONValue].self, from: Data(header))
      let metadata =
        try members.removeValue(forKey: "__metadata__")?.decode(as: [String: String].self) ?? [:]
      let lines = try members.map { ($0.key, try $0.value.decode(as: Line.self)) }
      // Empty tensors share their offset with the next one and must come first.
      let sorted = lines.sorted { one, other in
        one.1.data_offsets.lexicographicallyPrecedes(other.1.data_offsets)
          || (one.1.data_offsets == other.1.data_offsets && one.0 < other.0)
      }
      return (sorted, metadata)
    } catch let cause as DecodingError {
      var wrong = error(
        .invalidContent, path, "header", "name: dtype, shape, data_offsets", "other")
      wrong.causes = ["\(cause)"]
      throw wrong
    }
  }

  private static func check(
    _ line: Line, name: String, at position: Int, path: String
  ) throws -> (DType, Int) {
    guard let dtype = DType.allCases.first(where: { code(of: $0) == line.dtype }) else {
      throw error(.unexpectedType, path, name, "one of " + knownCodes, line.dtype)
    }
    var bytes = dtype.byteSize
    for length in line.shape {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: length)
      guard length >= 0, !overflow else {
        throw error(.oversized, path, name, "a shape that fits into memory", "\(line.shape)")
      }
      bytes = product
    }
    let (end, overflow) = position.addingReportingOverflow(bytes)
    guard !overflow, line.data_offsets == [position, end] else {
      throw error(
        .invalidContent, path, name,
        "data_offsets [\(position), \(overflow ? "..." : "\(end)")], "
          + "without hole or overlap, for \(line.dtype) \(line.shape)", "\(line.data_offsets)")
    }
    return (dtype, bytes)
  }

  /// The first key of the outermost table that stands there twice; JSON parsers hide such keys.
  private static func duplicateKey(_ header: [UInt8], path: String) throws -> String? {
    var seen: Set<String> = []
    var depth = 0
    var index = 0
    while index < header.count {
      switch header[index] {
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      case UInt8(ascii: "\""):
        let first = index
        index += 1
        while index < header.count, header[index] != UInt8(ascii: "\"") {
          index += header[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard index < header.count else { return nil }
        let next = header[(index + 1)...].first { $0 > 32 }
        if depth == 1, next == UInt8(ascii: ":") {
          let raw = [UInt8(ascii: "[")] + header[first...index] + [UInt8(ascii: "]")]
          let key = try? JSONDecoder().decode([String].self, from: Data(raw)).first
          guard let key else { return nil }
          if !seen.insert(key).inserted { return key }
        }
      default: break
      }
      index += 1
    }
    return nil
  }

  private static let knownCodes = DType.allCases.map { code(of: $0) }.joined(separator: ", ")

  private static func code(of dtype: DType) -> String {
    switch dtype {
    case .uint8: "U8"
    case .int8: "I8"
    case .int16: "I16"
    case .int32: "I32"
    case .int64: "I64"
    case .float16: "F16"
    case .float32: "F32"
    case .float64: "F64"
    case .bool: "BOOL"
    case .bfloat16: "BF16"
    }
  }

  private static func error(
    _ kind: StoreError.Kind, _ path: String, _ item: String?, _ expected: String, _ found: String
  ) -> StoreError {
    StoreError(
      kind, file: path, item: item, expected: expected, found: found,
      remedy: "Check that the file is a complete safetensors file, or save it again.")
  }
}
