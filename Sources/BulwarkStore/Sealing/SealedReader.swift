import BulwarkTensor
import Foundation

/// Whether a file must be exactly what was written.
public enum SealPolicy: Sendable {
  /// The file must be as sealed; anything else is an error. The default everywhere.
  case required
  /// Accept a file that another program has edited since; the data sets that differ are listed.
  case edited
}

/// An opened sealed file whose links, storage and sizes have been checked.
struct SealedReader {
  let path: String
  let seal: Seal
  /// Size in bytes.
  let fileSize: Int
  /// False when the seal is broken (only with ``SealPolicy/edited``).
  let isSealed: Bool
  let table: DigestTable
  /// Every data set except the digest table, by path (`/model/conv1/weight`).
  let datasets: [String: StoredDataset]
  /// The paths in the order of writing; data sets unknown to the table follow by name.
  let order: [String]

  /// Opens a file and checks everything that can be checked without reading elements.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - kind: `ckpt` or `data`; nil accepts both.
  ///   - format: what the root attribute `format` must say; nil accepts anything.
  ///   - policy: whether a broken seal is an error.
  /// - Throws: ``StoreError``, whose kind says what is wrong.
  init(_ path: String, kind: String?, format: String?, policy: SealPolicy) throws {
    self.path = path
    let descriptor = try FileDescriptor(opening: path, shownAs: path)
    fileSize = try descriptor.size()
    let head = try descriptor.bytes(min(Seal.size, fileSize), at: 0)
    if head.count < Seal.size, !head.isEmpty, Seal.magic.starts(with: head.prefix(8)) {
      throw SealedReader.truncated(path, expected: Seal.size, found: fileSize)
    }
    seal = try Seal(reading: head, file: path)
    if let kind, seal.kind != kind {
      throw StoreError(
        .wrongKind, file: path, expected: SealedReader.title(kind),
        found: SealedReader.title(seal.kind), remedy: "Check which file belongs to which option.")
    }
    isSealed = try SealedReader.check(seal, descriptor, size: fileSize, path: path, policy: policy)
    let survey = try HDF5Survey(of: descriptor, size: fileSize)
    (table, datasets, order) = try SealedReader.order(survey, path: path, policy: policy)
    if let format, survey.attributes["format"] != format {
      throw StoreError(
        .wrongKind, file: path, item: "attribute format", expected: format,
        found: survey.attributes["format"] ?? "none",
        remedy: "The file was changed by another program; use another copy.")
    }
  }

  private static func check(
    _ seal: Seal, _ descriptor: FileDescriptor, size: Int, path: String, policy: SealPolicy
  ) throws -> Bool {
    var error: StoreError?
    if size < seal.length {
      error = truncated(path, expected: seal.length, found: size)
    } else if size > seal.length {
      error = broken(path, "\(seal.length) bytes", "\(size)")
    } else {
      let digest = try Seal.digestPayload(of: descriptor, length: size)
      if digest != seal.digest {
        error = broken(path, "payload digest \(seal.digest)", "\(digest)")
      }
    }
    if let error, policy == .required { throw error }
    return error == nil
  }

  private static func truncated(_ path: String, expected: Int, found: Int) -> StoreError {
    StoreError(
      .truncated, file: path, expected: "\(expected) bytes", found: "\(found)",
      remedy: "The file was cut off, perhaps by an unfinished copy; use another copy.")
  }

  private static func broken(_ path: String, _ expected: String, _ found: String) -> StoreError {
    StoreError(
      .brokenSeal, file: path, item: "seal", expected: expected, found: found,
      remedy: "The file is damaged: use another copy. If another program edited it on purpose, "
        + "`bulwark checkpoint inspect --edited` shows what it holds; to use edited weights, edit "
        + "those that `bulwark checkpoint export` writes and bring them in with `bulwark checkpoint "
        + "import`.")
  }

  private static func title(_ kind: String) -> String {
    switch kind {
    case Checkpoint.kind: "a checkpoint"
    case DatasetFile.kind: "a data set"
    default: "a file of kind '\(kind)'"
    }
  }

  private static func order(
    _ survey: HDF5Survey, path: String, policy: SealPolicy
  ) throws -> (DigestTable, [String: StoredDataset], [String]) {
    var datasets = survey.datasets
    let stored = datasets.removeValue(forKey: "/" + DigestTable.dataset)
    let text = try stored?.text() ?? ""
    let table = DigestTable(parsing: text)
    if policy == .required {
      let expected = survey.attributes[DigestTable.attribute]
      guard stored != nil, table != nil, expected == SHA256Digest(of: text).description else {
        throw StoreError(
          .digestMismatch, file: path, item: "/\(DigestTable.dataset)",
          expected: expected ?? "a table of digests", found: SHA256Digest(of: text).description,
          remedy: "The table of digests is damaged; use another copy of the file.")
      }
    }
    let known = (table?.rows ?? []).map(\.path).filter { datasets[$0] != nil }
    let listed = Set(known)
    let others = datasets.keys.filter { !listed.contains($0) }.sorted()
    return (table ?? DigestTable(), datasets, known + others)
  }

  // MARK: Reading

  /// The data sets below a group, as tensors under dotted names, in the order of writing.
  func tensors(below group: String) throws -> StateDict {
    let prefix = "/\(group)/"
    let paths = order.filter { $0.hasPrefix(prefix) }
    let loaded = ParallelResults<Tensor>(count: paths.count)
    let workers = min(max(1, paths.count), ProcessInfo.processInfo.activeProcessorCount)
    try loaded.fill(workers: workers) { worker, put in
      for index in stride(from: worker, to: paths.count, by: workers) {
        put(index, try tensor(paths[index]))
      }
    }
    return StateDict(zip(paths, loaded.values).map { (name($0, below: prefix), $1) })
  }

  /// The dotted name of a path below a prefix.
  func name(_ path: String, below prefix: String) -> String {
    TensorPath.name(of: path.dropFirst(prefix.count).split(separator: "/"))
  }

  /// One tensor on the CPU.
  func tensor(_ path: String) throws -> Tensor {
    let dataset = try required(path)
    return try Tensor.filled(dataset.info.shape, dtype: dtype(of: dataset)) {
      try dataset.read(into: $0)
    }
  }

  /// The tensor type of a data set, by its attribute where HDF5 has no such type.
  func dtype(of dataset: StoredDataset) throws -> DType {
    guard case .number(let number) = dataset.info.element else {
      throw dataset.mismatch("a tensor")
    }
    if number == .uint16 || number == .uint8,
      let name = dataset.attributes[SealedWriter.dtypeAttribute]
    {
      guard let dtype = DType(name: name), HDF5Number(storing: dtype) == number else {
        throw dataset.mismatch("a known \(SealedWriter.dtypeAttribute), not '\(name)'")
      }
      return dtype
    }
    guard let dtype = number.dtype else { throw dataset.mismatch("a tensor") }
    return dtype
  }

  /// A data set that must be there.
  func required(_ path: String) throws -> StoredDataset {
    guard let dataset = datasets[path] else {
      throw StoreError(
        .missingDataset, file: self.path, item: path, expected: "a data set", found: "none",
        remedy: "The file was changed by another program; use another copy.")
    }
    return dataset
  }

  /// The text of a data set, nil when there is none.
  func text(_ path: String) throws -> String? { try datasets[path]?.text() }

  /// The JSON of a data set, nil when there is none.
  func json<Value: Decodable>(_ path: String, as type: Value.Type) throws -> Value? {
    guard let text = try text(path) else { return nil }
    do {
      return try JSONDecoder().decode(type, from: Data(text.utf8))
    } catch {
      throw StoreError(
        .invalidContent, file: self.path, item: path, expected: "JSON of \(type)",
        found: "\(text.prefix(60))", remedy: "Mend the data set or use another copy.",
        causes: ["\(error)"])
    }
  }

  // MARK: Digests

  /// The data sets that differ from the table: changed, missing from the file, or added to it.
  func mismatches() throws -> [StoreError] {
    var problems: [StoreError] = []
    func add(_ item: String, _ expected: String, _ found: String) {
      problems.append(
        StoreError(
          .digestMismatch, file: path, item: item, expected: expected, found: found,
          remedy: "The data set was damaged or edited after the file was written."))
    }
    for row in table.rows {
      guard let dataset = datasets[row.path] else {
        add(row.path, "a data set", "none")
        continue
      }
      let info = dataset.info
      if info.element.name != row.type || info.shape != row.shape {
        add(row.path, "\(row.type) \(row.shape)", "\(info.element.name) \(info.shape)")
        continue
      }
      let digest = SHA256Digest(of: try dataset.bytes())
      if digest != row.digest { add(row.path, "SHA-256 \(row.digest)", "\(digest)") }
    }
    let listed = Set(table.rows.map(\.path))
    for path in order where !listed.contains(path) {
      add(path, "no such data set", "one that the table of digests does not list")
    }
    return problems
  }
}
