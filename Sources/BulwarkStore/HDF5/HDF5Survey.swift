import CHDF5
import Foundation

/// What a child process found in a file: all data sets, checked, without HDF5 having run here.
///
/// HDF5's parser can crash on a crafted file, so it runs in a child that reports through a pipe. The
/// report is parsed here as untrusted input; elements that lie in one piece are later read straight
/// from the file.
struct HDF5Survey {
  /// The data sets by path (`/model/conv1/weight`).
  private(set) var datasets: [String: StoredDataset] = [:]
  /// The root's text attributes.
  private(set) var attributes: [String: String] = [:]

  /// Surveys a file.
  ///
  /// - Throws: ``StoreError``: `refusedLink` for soft, external and repeated links, `refusedStorage`
  ///   for external, virtual and filtered storage, `oversized` when one data set, or all of them
  ///   together, declare more bytes than the file has, `unexpectedType` for other objects,
  ///   `hostileFile` when the parser crashes or hangs, `readFailed` when it gives up.
  init(of file: FileDescriptor, size: Int) throws {
    let name = access(file.reopenPath, R_OK) == 0 ? file.reopenPath : file.name
    var report = Report(bytes: try HDF5Survey.run(name, size: size, shownAs: file.name), file: file)
    var total = 0
    while let record = try report.next() {
      switch record {
      case .attribute(let path, let name, let text):
        if path.isEmpty { attributes[name] = text } else { report.pending[name] = text }
      case .dataset(let dataset):
        try dataset.info.check(file: file.name, path: dataset.path, fileSize: size)
        if case .file(let offset) = dataset.source, let count = dataset.info.declaredBytes,
          count > 0, offset < 0 || offset > size - count
        {
          throw HDF5Survey.oversized(dataset.path, size: size, file: file.name)
        }
        total += dataset.info.declaredBytes ?? 0
        guard total <= size else {
          throw HDF5Survey.oversized(dataset.path, size: size, file: file.name)
        }
        datasets[dataset.path] = dataset
      }
    }
  }

  private static func oversized(_ path: String, size: Int, file: String) -> StoreError {
    StoreError(
      .oversized, file: file, item: path,
      expected: "data sets inside the file and of at most \(size) bytes together",
      found: "more", remedy: "Do not use this file: data sets overlap or lie outside it.")
  }

  /// The whole report of a child; it may end in the middle of a record when the child died.
  private static func run(_ path: String, size: Int, shownAs name: String) throws -> [UInt8] {
    var child: Int32 = 0
    let end = HDF5Library.locked { bw_h5_start_survey(path, UInt64(size), &child) }
    guard end >= 0 else {
      throw StoreError(
        .readFailed, file: name, expected: "a child process that parses the file", found: "none",
        remedy: "Free memory or raise the limit on processes, then read again.",
        causes: [FileDescriptor.systemMessage()])
    }
    defer { bw_h5_reap(child) }
    defer { close(end) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    // A report names every data set once, so it cannot be many times larger than the file.
    while bytes.count <= 16 * size + 1 << 20 {
      let got = Foundation.read(end, &buffer, buffer.count)
      if got < 0 && errno == EINTR { continue }
      if got <= 0 { break }
      bytes += buffer[..<got]
    }
    return bytes
  }
}

extension HDF5Survey {
  /// One line of a report that leads on; problems are thrown.
  enum Record {
    case dataset(StoredDataset)
    case attribute(path: String, name: String, text: String)
  }

  /// The bytes of a report, read with every length checked.
  struct Report {
    let bytes: [UInt8]
    let file: FileDescriptor
    /// Attributes of the data set that the next record describes.
    var pending: [String: String] = [:]
    private var at = 0

    init(bytes: [UInt8], file: FileDescriptor) {
      self.bytes = bytes
      self.file = file
    }

    /// The next record; nil behind the last one.
    mutating func next() throws -> Record? {
      let tag = try number(4)
      let path = try text()
      switch Int(tag) {
      case Int(BW_H5_END): return nil
      case Int(BW_H5_DATASET): return .dataset(try dataset(path))
      case Int(BW_H5_ATTRIBUTE):
        let name = try text()
        return .attribute(path: path, name: name, text: try text())
      case Int(BW_H5_UNREADABLE):
        let causes = try text().split(separator: "\n").map { "HDF5 \($0)" }
        throw problem(.readFailed, path, "a readable object", "a refusal by HDF5", causes)
      case Int(BW_H5_REFUSED_LINK):
        throw problem(
          .refusedLink, path, "a data set or group in this file", "a soft or external link")
      case Int(BW_H5_REPEATED_LINK):
        throw problem(.refusedLink, path, "one link to each object", "several links")
      case Int(BW_H5_TOO_DEEP):
        throw problem(.invalidContent, path, "groups nested at most 64 deep", "more")
      default:
        throw problem(.unexpectedType, path, "a group or a data set", "another kind of object")
      }
    }

    private mutating func dataset(_ path: String) throws -> StoredDataset {
      let description = try take(MemoryLayout<bw_h5_dataset_info>.size)
      let raw = description.withUnsafeBytes { $0.loadUnaligned(as: bw_h5_dataset_info.self) }
      let offset = try number(8)
      let count = try number(8)
      let inline = try take(Int(clamping: count))
      let info = HDF5DatasetInfo(raw)
      defer { pending = [:] }
      let isInline = info.layout == .compact || info.layout == .chunked
      let stored = isInline && info.declaredBytes == inline.count
      return StoredDataset(
        file: file, path: path, info: info,
        source: stored ? .memory(Array(inline)) : .file(offset: Int(clamping: offset)),
        attributes: pending)
    }

    private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
      guard count >= 0, count <= bytes.count - at else {
        throw StoreError(
          .hostileFile, file: file.name, expected: "a file that HDF5 can parse",
          found: "one that makes its parser crash or hang",
          remedy: "Do not use this file: it was damaged or made to attack its reader.")
      }
      at += count
      return bytes[at - count..<at]
    }

    private mutating func number(_ width: Int) throws -> UInt64 {
      try take(width).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private mutating func text() throws -> String {
      let length = try number(4)
      return String(decoding: try take(Int(length)), as: UTF8.self)
    }

    private func problem(
      _ kind: StoreError.Kind, _ path: String, _ expected: String, _ found: String,
      _ causes: [String] = []
    ) -> StoreError {
      StoreError(
        kind, file: file.name, item: path.isEmpty ? "/" : path, expected: expected, found: found,
        remedy: "Do not use this file; Bulwark never writes such content.", causes: causes)
    }
  }
}
