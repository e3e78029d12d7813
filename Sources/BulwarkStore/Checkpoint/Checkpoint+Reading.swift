import BulwarkTensor

extension Checkpoint {
  /// Reads a checkpoint; all tensors come to the CPU.
  ///
  /// The seal over the whole file is checked first; then a child process parses the HDF5 structure,
  /// so that neither damage nor malice reaches HDF5 in this process.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - policy: `.edited` accepts a file that another program changed (``changes(at:)`` lists where).
  /// - Throws: ``StoreError``, whose kind says what is wrong.
  public init(reading path: String, policy: SealPolicy = .required) throws {
    let reader = try SealedReader(
      path, kind: Checkpoint.kind, format: Checkpoint.format, policy: policy)
    try self.init(reader)
  }

  /// Reads nothing but the weights.
  public static func weights(of path: String, policy: SealPolicy = .required) throws -> StateDict {
    try SealedReader(path, kind: kind, format: format, policy: policy).tensors(below: "model")
  }

  /// Reads nothing but the sets of sample indices.
  public static func indexSets(
    of path: String, policy: SealPolicy = .required
  ) throws -> [String: [Int]] {
    try indexSets(SealedReader(path, kind: kind, format: format, policy: policy))
  }

  /// The data sets that differ from what was written: empty for an untouched file.
  public static func changes(at path: String) throws -> [StoreError] {
    try SealedReader(path, kind: kind, format: nil, policy: .edited).mismatches()
  }

  init(_ reader: SealedReader) throws {
    self.init(weights: try reader.tensors(below: "model"))
    architecture = try reader.json("/architecture", as: JSONValue.self) ?? .null
    if reader.datasets["/input/mean"] != nil || reader.datasets["/input/std"] != nil {
      normalization = Normalization(
        mean: try reader.required("/input/mean").doubles(),
        std: try reader.required("/input/std").doubles())
    }
    classNames = try reader.datasets["/input/class_names"]?.texts() ?? []
    let moments = try reader.tensors(below: "optimizer/tensors")
    let settings = try reader.json("/optimizer/settings", as: JSONValue.self)
    if settings != nil || !moments.isEmpty {
      optimizer = Optimizer(tensors: moments, settings: settings ?? .null)
    }
    schedule = try reader.json("/schedule", as: JSONValue.self) ?? .null
    progress = try reader.json("/progress", as: Progress.self) ?? Progress()
    recipe = try reader.text("/recipe")
    fingerprints = try reader.json("/data/fingerprints", as: [String: String].self) ?? [:]
    indexSets = try Checkpoint.indexSets(reader)
    history = try reader.children(of: "/history/").map { name, dataset in
      try Checkpoint.series(dataset, name: name)
    }
    states = try Checkpoint.states(reader)
    notes = try reader.json("/notes", as: JSONValue.self) ?? .null
    codeVersion = try reader.text("/code_version") ?? ""
  }

  static func series(_ dataset: StoredDataset, name: String) throws -> MetricSeries {
    guard dataset.info.element == .number(.seriesRow), dataset.info.shape.count == 1 else {
      throw dataset.mismatch("rows of step and value")
    }
    return MetricSeries(
      name: name, unit: dataset.attributes["unit"] ?? "",
      rowBytes: try dataset.bytes())
  }

  private static func indexSets(_ reader: SealedReader) throws -> [String: [Int]] {
    var sets: [String: [Int]] = [:]
    for (name, dataset) in reader.children(of: "/data/indices/") {
      sets[name] = try dataset.integers()
    }
    return sets
  }

  private static func states(_ reader: SealedReader) throws -> [String: StateDict] {
    let prefix = "/state/"
    var result: [String: StateDict] = [:]
    for path in reader.order where path.hasPrefix(prefix) {
      let parts = path.dropFirst(prefix.count).split(separator: "/")
      guard let owner = parts.first, parts.count > 1 else { continue }
      result[TensorPath.decode(owner), default: StateDict()][
        TensorPath.name(of: parts.dropFirst())] = try reader.tensor(path)
    }
    return result
  }
}

extension SealedReader {
  /// The data sets directly below a group, by decoded name, in the order of writing.
  func children(of prefix: String) -> [(String, StoredDataset)] {
    order.compactMap { path in
      guard path.hasPrefix(prefix), let dataset = datasets[path] else { return nil }
      return (TensorPath.decode(path.dropFirst(prefix.count)), dataset)
    }
  }
}
