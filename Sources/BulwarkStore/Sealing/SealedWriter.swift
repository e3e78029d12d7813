import BulwarkTensor
import Foundation
import Synchronization

/// Writes one sealed file: HDF5 content, the table of digests, the seal, the atomic rename.
final class SealedWriter {
  /// Attribute that names the tensor type where HDF5 has none.
  static let dtypeAttribute = "bulwark.dtype"

  private let file: String
  private let root: HDF5Group
  /// The file that is written, for hints to the system.
  private let descriptor: FileDescriptor
  private var groups: [String: HDF5Group] = [:]
  private var paths: Set<String> = []
  private var table = DigestTable()

  private init(file: String, root: HDF5Group, descriptor: FileDescriptor) {
    self.file = file
    self.root = root
    self.descriptor = descriptor
  }

  /// Writes a file whose content `body` provides; see ``AtomicFile`` for the promises.
  static func write(
    _ path: String, kind: String, format: String, producer: String, overwrite: Bool,
    isPrivate: Bool = false, _ body: (SealedWriter) throws -> Void
  ) throws {
    try AtomicFile.replace(path, overwrite: overwrite, isPrivate: isPrivate) { temporary in
      let content = HDF5File(
        handle: try .createFile(temporary, shownAs: path, userBlock: Seal.size))
      // The file is still empty.
      if isPrivate { chmod(temporary, 0o600) }
      let file = try FileDescriptor(opening: temporary, shownAs: path, writing: true)
      do {
        let writer = SealedWriter(file: path, root: content.root, descriptor: file)
        try writer.root.setAttribute("format", format)
        try writer.root.setAttribute("format_major", Seal.major)
        try writer.root.setAttribute("format_minor", Seal.minor)
        try writer.root.setAttribute("producer", producer)
        try body(writer)
        try writer.finish()
      }
      try content.close()
      try seal(file, kind: kind)
    }
  }

  private static func seal(_ file: FileDescriptor, kind: String) throws {
    let length = try file.size()
    file.startWriting()
    let digest = try Seal.digestPayload(of: file, length: length)
    let seal = Seal(kind: kind, length: length, digest: digest)
    try seal.bytes.withUnsafeBytes { try file.write($0, at: 0) }
    try file.flush()
  }

  private func finish() throws {
    let text = table.text
    try root.write(DigestTable.dataset, text: text)
    try root.setAttribute(DigestTable.attribute, SHA256Digest(of: text).description)
  }

  // MARK: Content

  /// Writes tensors under dotted names below a group, in their order.
  func put(_ tensors: StateDict, below prefix: [String]) throws {
    let places = try tensors.map { entry in
      try place(prefix + TensorPath.components(of: entry.name), name: entry.name)
    }
    let digests = ParallelResults<SHA256Digest>(count: tensors.count)
    let next = Atomic<Int>(0)
    let workers = min(max(1, tensors.count), ProcessInfo.processInfo.activeProcessorCount)
    try digests.fill(workers: workers) { [descriptor] worker, put in
      // The first worker hands all elements to HDF5, which takes one at a time; the others compute
      // digests meanwhile, and it helps them with the rest.
      if worker == 0 { try SealedWriter.write(tensors, to: places, descriptor) }
      while true {
        let index = next.add(1, ordering: .relaxed).oldValue
        guard index < tensors.count else { return }
        put(index, try tensors[index].tensor.withUnsafeBytes { SHA256Digest(of: $0) })
      }
    }
    for (index, entry) in tensors.enumerated() {
      table.rows.append(
        .init(
          digest: digests.values[index], type: "\(HDF5Number(storing: entry.tensor.dtype))",
          shape: entry.tensor.shape, path: places[index].2))
    }
  }

  /// Bytes after which the disk is told to start.
  private static let portion = 16 << 20

  private static func write(
    _ tensors: StateDict, to places: [(HDF5Group, String, String)], _ descriptor: FileDescriptor
  ) throws {
    var waiting = 0
    for (entry, place) in zip(tensors, places) {
      let (group, name, _) = place
      let tensor = entry.tensor
      let number = HDF5Number(storing: tensor.dtype)
      let dataset = try tensor.withUnsafeBytes { bytes in
        waiting += bytes.count
        return try group.write(name, number: number, shape: tensor.shape, bytes: bytes)
      }
      if number.dtype != tensor.dtype {
        try dataset.handle.setAttribute(SealedWriter.dtypeAttribute, tensor.dtype.name)
      }
      if waiting >= portion {
        descriptor.startWriting()
        waiting = 0
      }
    }
  }

  /// Writes one text, for instance JSON or YAML.
  func put(text: String, at components: [String]) throws {
    let (group, name, path) = try place(components, name: components.joined(separator: "/"))
    let bytes = text.isEmpty ? [0] : Array(text.utf8)
    record(try group.write(name, text: text), path, SHA256Digest(of: bytes))
  }

  /// Writes a list of short texts.
  func put(texts: [String], at components: [String]) throws {
    let (group, name, path) = try place(components, name: components.joined(separator: "/"))
    let dataset = try group.write(name, texts: texts)
    record(dataset, path, SHA256Digest(of: try dataset.bytes()))
  }

  /// Writes integers as int64.
  func put(integers: [Int], at components: [String]) throws {
    try put(numbers: integers.map(Int64.init), .int64, at: components)
  }

  /// Writes floating-point numbers as float64.
  func put(doubles: [Double], at components: [String]) throws {
    try put(numbers: doubles, .float64, at: components)
  }

  /// Writes a metric series as an extendable data set of (step, value) rows.
  func put(series: MetricSeries, at components: [String]) throws {
    let (group, name, path) = try place(components, name: series.name)
    guard series.steps.count == series.values.count else {
      throw StoreError(
        .invalidContent, file: file, item: series.name, expected: "as many steps as values",
        found: "\(series.steps.count) and \(series.values.count)", remedy: "Mend the series.")
    }
    let bytes = series.rowBytes
    var dataset = try group.createExtendable(
      name, number: .seriesRow, chunk: MetricSeries.chunk(rows: series.steps.count))
    if !bytes.isEmpty {
      dataset = try bytes.withUnsafeBytes {
        try dataset.append(rows: series.steps.count, bytes: $0)
      }
    }
    try dataset.handle.setAttribute("name", series.name)
    try dataset.handle.setAttribute("unit", series.unit)
    record(dataset, path, SHA256Digest(of: bytes))
  }

  private func put<Number>(
    numbers: [Number], _ kind: HDF5Number, at components: [String]
  ) throws {
    let (group, name, path) = try place(components, name: components.joined(separator: "/"))
    let (dataset, digest) = try numbers.withUnsafeBytes {
      (
        try group.write(name, number: kind, shape: [numbers.count], bytes: $0),
        SHA256Digest(of: $0)
      )
    }
    record(dataset, path, digest)
  }

  private func record(_ dataset: HDF5Dataset, _ path: String, _ digest: SHA256Digest) {
    table.rows.append(
      .init(
        digest: digest, type: dataset.info.element.name, shape: dataset.info.shape, path: path))
  }

  /// The group that holds the last component, made where missing.
  private func place(_ components: [String], name: String) throws -> (HDF5Group, String, String) {
    let path = "/" + components.joined(separator: "/")
    func clash(_ found: String) -> StoreError {
      StoreError(
        .invalidName, file: file, item: name, expected: "a name used once and not as a group",
        found: found, remedy: "Rename the tensor \(name).")
    }
    var group = root
    var sofar = ""
    for component in components.dropLast() {
      sofar += "/" + component
      if paths.contains(sofar) { throw clash("\(sofar) as a data set") }
      if let known = groups[sofar] {
        group = known
      } else {
        group = try group.createGroup(component)
        groups[sofar] = group
      }
    }
    if groups[path] != nil { throw clash("a group of this name") }
    guard let last = components.last, paths.insert(path).inserted else {
      throw clash("a second data set")
    }
    return (group, last, path)
  }
}
