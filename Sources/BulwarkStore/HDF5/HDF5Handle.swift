import CHDF5
import Foundation

/// Owner of one HDF5 identifier: the only place where Swift calls HDF5 on an object.
///
/// Files, groups and data sets hold one each and add names and meaning. A handle keeps its file's
/// handle alive, so that the file is closed last.
final class HDF5Handle: @unchecked Sendable {
  enum Kind: Sendable { case file, group, dataset }

  let kind: Kind
  /// Path of the file, for messages.
  let file: String
  /// Path inside the file, for messages.
  let path: String
  private let owner: HDF5Handle?
  private var identifier: hid_t

  private init(_ identifier: hid_t, kind: Kind, file: String, path: String, owner: HDF5Handle?) {
    self.identifier = identifier
    self.kind = kind
    self.file = file
    self.path = path
    self.owner = owner
  }

  deinit {
    HDF5Library.locked { _ = release() }
  }

  private func release() -> Bool {
    guard identifier >= 0 else { return true }
    let closing = identifier
    identifier = -1
    switch kind {
    case .file: return H5Fclose(closing) >= 0
    case .group: return H5Oclose(closing) >= 0
    case .dataset: return H5Dclose(closing) >= 0
    }
  }

  // MARK: Files

  static func createFile(_ systemPath: String, shownAs file: String, userBlock: Int) throws
    -> HDF5Handle
  {
    try HDF5Library.locked {
      let made = bw_h5_create_file(systemPath, userBlock)
      guard made >= 0 else {
        throw StoreError(
          .cannotCreate, file: file, expected: "a new HDF5 file", found: "a refusal",
          remedy: "Check that the folder exists, is writable and has space.",
          causes: HDF5Library.takeErrors())
      }
      return HDF5Handle(made, kind: .file, file: file, path: "/", owner: nil)
    }
  }

  static func openFile(_ systemPath: String, shownAs file: String) throws -> HDF5Handle {
    try HDF5Library.locked {
      let opened = bw_h5_open_readonly(systemPath)
      guard opened >= 0 else {
        throw StoreError(
          .foreignFile, file: file, expected: "an HDF5 file", found: "something HDF5 cannot read",
          remedy: "Check the path; if the file was copied, copy it again.",
          causes: HDF5Library.takeErrors())
      }
      return HDF5Handle(opened, kind: .file, file: file, path: "/", owner: nil)
    }
  }

  /// Closes now, so that what goes wrong while flushing can be reported.
  func close() throws {
    try HDF5Library.locked {
      if !release() { throw failure(.writeFailed, "a complete write", "a failed flush") }
    }
  }

  // MARK: Objects

  private func join(_ name: String) -> String { path == "/" ? "/\(name)" : "\(path)/\(name)" }

  func createGroup(_ name: String) throws -> HDF5Handle {
    try HDF5Library.locked {
      try adopt(bw_h5_create_group(identifier, name), name, .group, "a new group")
    }
  }

  func createDataset(
    _ name: String, element: HDF5DatasetInfo.Element, shape: [Int]?, chunk: Int, compact: Bool
  ) throws -> HDF5Handle {
    try HDF5Library.locked {
      let type = try makeType(element)
      defer { H5Tclose(type) }
      let made = bw_h5_create_dataset(
        identifier, name, type, Int32(shape?.count ?? -1), (shape ?? []).map { hsize_t($0) },
        hsize_t(chunk), compact)
      return try adopt(made, name, .dataset, "a new data set")
    }
  }

  /// Opens a child that is reached by a plain link; nil when it is neither group nor data set.
  func open(_ name: String) throws -> HDF5Handle? {
    try HDF5Library.locked {
      let opened = H5Oopen(identifier, name, hid_t(H5P_DEFAULT))
      let child = try adopt(opened, name, .group, "a readable object", kindOfError: .readFailed)
      var links: UInt32 = 0
      let found = bw_h5_object_kind(opened, &links)
      if links > 1 {
        throw StoreError(
          .refusedLink, file: file, item: child.path, expected: "one link to each object",
          found: "\(links) links", remedy: "Do not use this file; Bulwark never writes such links.")
      }
      if found == 0 { return child }
      guard found == 1 else { return nil }
      let dataset = HDF5Handle(
        child.identifier, kind: .dataset, file: file, path: child.path, owner: owner ?? self)
      child.identifier = -1
      return dataset
    }
  }

  /// Names of the children and whether each is reached by a plain (hard) link, in order of name.
  func links() throws -> [(name: String, isHard: Bool)] {
    final class Collector { var links: [(name: String, isHard: Bool)] = [] }
    let collector = Collector()
    return try HDF5Library.locked {
      let status = bw_h5_each_link(
        identifier,
        { name, hard, context in
          guard let name, let context else { return -1 }
          let collector = Unmanaged<Collector>.fromOpaque(context).takeUnretainedValue()
          collector.links.append((String(cString: name), hard))
          return 0
        }, Unmanaged.passUnretained(collector).toOpaque())
      guard status == 0 else {
        throw failure(.readFailed, "a readable group", "a failed listing")
      }
      return collector.links
    }
  }

  // MARK: Elements

  func describe() throws -> HDF5DatasetInfo {
    try HDF5Library.locked {
      var raw = bw_h5_dataset_info()
      guard bw_h5_describe(identifier, &raw) == 0, raw.rank >= -1 else {
        throw failure(.readFailed, "a readable data set", "an unknown shape or type")
      }
      return HDF5DatasetInfo(raw)
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer, element: HDF5DatasetInfo.Element) throws {
    try HDF5Library.locked {
      let type = try makeType(element)
      defer { H5Tclose(type) }
      if bw_h5_write(identifier, type, bytes.baseAddress) < 0 {
        throw failure(.writeFailed, "\(bytes.count) bytes written", "a failed write")
      }
    }
  }

  func append(
    _ bytes: UnsafeRawBufferPointer, rows: Int, after old: Int, element: HDF5DatasetInfo.Element
  ) throws {
    try HDF5Library.locked {
      let type = try makeType(element)
      defer { H5Tclose(type) }
      if bw_h5_append_rows(identifier, type, hsize_t(old), hsize_t(rows), bytes.baseAddress) < 0 {
        throw failure(.writeFailed, "\(rows) rows appended", "a failed write")
      }
    }
  }

  /// Reads everything, or rows `rows` of the first axis, into a buffer of exactly that size.
  func read(
    into bytes: UnsafeMutableRawBufferPointer, element: HDF5DatasetInfo.Element,
    rows: Range<Int>? = nil
  ) throws {
    try HDF5Library.locked {
      let type = try makeType(element)
      defer { H5Tclose(type) }
      let status =
        if let rows {
          bw_h5_read_rows(
            identifier, type, hsize_t(rows.lowerBound), hsize_t(rows.count), bytes.baseAddress)
        } else {
          bw_h5_read(identifier, type, bytes.baseAddress)
        }
      if status < 0 { throw failure(.readFailed, "\(bytes.count) bytes", "a failed read") }
    }
  }

  // MARK: Attributes

  func setAttribute(_ name: String, _ text: String) throws {
    try HDF5Library.locked {
      let bytes = Array(text.utf8) + (text.isEmpty ? [0] : [])
      let status = bytes.withUnsafeBytes {
        bw_h5_set_text_attribute(
          identifier, name, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count)
      }
      if status < 0 { throw failure(.writeFailed, "attribute \(name) written", "a failed write") }
    }
  }

  func setAttribute(_ name: String, _ value: Int) throws {
    try HDF5Library.locked {
      if bw_h5_set_int_attribute(identifier, name, Int64(value)) < 0 {
        throw failure(.writeFailed, "attribute \(name) written", "a failed write")
      }
    }
  }

  func textAttribute(_ name: String) throws -> String? {
    try HDF5Library.locked {
      var buffer = [UInt8](repeating: 0, count: 4096)
      let size = buffer.withUnsafeMutableBytes {
        bw_h5_get_text_attribute(
          identifier, name, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count)
      }
      guard size >= 0 else {
        throw failure(.unexpectedType, "attribute \(name) as a short text", "something else")
      }
      return size == 0 ? nil : String(decoding: buffer[..<size].prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  func integerAttribute(_ name: String) throws -> Int? {
    try HDF5Library.locked {
      var value: Int64 = 0
      let status = bw_h5_get_int_attribute(identifier, name, &value)
      guard status >= 0 else {
        throw failure(.unexpectedType, "attribute \(name) as an integer", "something else")
      }
      return status == 0 ? nil : Int(value)
    }
  }

  // MARK: Helpers

  private func makeType(_ element: HDF5DatasetInfo.Element) throws -> hid_t {
    let type: hid_t =
      switch element {
      case .number(let number): bw_h5_type(number.rawValue)
      case .text(let bytes): bw_h5_text_type(bytes)
      case .other: -1
      }
    guard type >= 0 else { throw failure(.unexpectedType, "a type Bulwark stores", "another") }
    return type
  }

  private func adopt(
    _ made: hid_t, _ name: String, _ kind: Kind, _ expected: String,
    kindOfError: StoreError.Kind = .writeFailed
  ) throws -> HDF5Handle {
    guard made >= 0 else {
      var error = failure(kindOfError, expected, "a refusal")
      error.item = join(name)
      throw error
    }
    return HDF5Handle(made, kind: kind, file: file, path: join(name), owner: owner ?? self)
  }

  private func failure(_ kind: StoreError.Kind, _ expected: String, _ found: String) -> StoreError {
    StoreError(
      kind, file: file, item: path, expected: expected, found: found,
      remedy: kind == .writeFailed
        ? "Check that the disk has space and is writable, then write again."
        : "The file is damaged or was made by another program; use another copy.",
      causes: HDF5Library.takeErrors())
  }
}

extension HDF5DatasetInfo {
  /// The description that the C layer gives.
  init(_ raw: bw_h5_dataset_info) {
    let sizes = withUnsafeBytes(of: raw.dims) { Array($0.bindMemory(to: UInt64.self)) }
    element =
      if raw.text_size > 0 {
        .text(bytes: Int(clamping: raw.text_size))
      } else if let number = HDF5Number(rawValue: raw.type_code) {
        .number(number)
      } else {
        .other
      }
    elementSize = Int(clamping: raw.element_size)
    shape = sizes.prefix(max(0, Int(raw.rank))).map { Int(clamping: $0) }
    layout = Layout(rawValue: raw.layout)
    storedBytes = Int(clamping: raw.stored_bytes)
    filters = Int(raw.filters)
    externalFiles = Int(raw.external_files)
  }
}
