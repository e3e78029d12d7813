import BulwarkTensor

extension Checkpoint {
  /// What a checkpoint holds, without its tensors.
  public struct Summary: Sendable, Codable {
    /// One stored tensor.
    public struct TensorLine: Sendable, Codable, Hashable {
      /// Dotted name.
      public var name: String
      /// Element type.
      public var dtype: String
      /// Shape.
      public var shape: [Int]
    }

    /// One metric's history.
    public struct SeriesLine: Sendable, Codable, Hashable {
      /// Name of the metric.
      public var name: String
      /// Its unit.
      public var unit: String
      /// Number of values.
      public var count: Int
      /// The last step.
      public var lastStep: Int?
      /// The last value.
      public var lastValue: Double?
    }

    /// Path of the file.
    public var path: String
    /// Format version, `major.minor`.
    public var formatVersion: String
    /// Digest of the file's content.
    public var digest: String
    /// True when the file is exactly what was written.
    public var isSealed: Bool
    /// Size of the file in bytes.
    public var fileBytes: Int
    /// Bytes of weights, optimizer and further tensors.
    public var tensorBytes: Int
    /// Elements of all weights together.
    public var parameterCount: Int
    /// The weights.
    public var weights: [TensorLine]
    /// Number of optimizer tensors.
    public var optimizerTensors: Int
    /// Further tensors: owner and number.
    public var states: [String: Int]
    /// The architecture.
    public var architecture: JSONValue
    /// The normalization.
    public var normalization: Normalization?
    /// Names of the classes.
    public var classNames: [String]
    /// Settings of the optimizer.
    public var optimizer: JSONValue
    /// The schedule.
    public var schedule: JSONValue
    /// Where the run stood.
    public var progress: Progress
    /// SHA-256 of the resolved recipe.
    public var recipeDigest: String?
    /// The resolved recipe.
    public var recipe: String?
    /// Fingerprints of the data sets.
    public var fingerprints: [String: String]
    /// Sizes of the index sets.
    public var indexSets: [String: Int]
    /// The metrics.
    public var history: [SeriesLine]
    /// Further notes.
    public var notes: JSONValue
    /// Version of the code that wrote it.
    public var codeVersion: String
  }

  /// What a checkpoint holds; reads no tensor.
  ///
  /// - Throws: ``StoreError``, whose kind says what is wrong.
  public static func inspectSummary(
    _ path: String, policy: SealPolicy = .required
  ) throws -> Summary {
    let reader = try SealedReader(path, kind: kind, format: format, policy: policy)
    let weights = try reader.lines(below: "/model/")
    let moments = try reader.lines(below: "/optimizer/tensors/")
    let states = reader.order.filter { $0.hasPrefix("/state/") }
    let tensors = reader.order.filter { path in
      ["/model/", "/optimizer/tensors/", "/state/"].contains { path.hasPrefix($0) }
    }
    let recipe = try reader.text("/recipe")
    var indexSets: [String: Int] = [:]
    for (name, dataset) in reader.children(of: "/data/indices/") {
      indexSets[name] = dataset.info.shape.first ?? 0
    }
    let normalization: Normalization? =
      if let mean = reader.datasets["/input/mean"], let std = reader.datasets["/input/std"] {
        Normalization(mean: try mean.doubles(), std: try std.doubles())
      } else {
        nil
      }
    return Summary(
      path: path, formatVersion: "\(reader.seal.major).\(reader.seal.minor)",
      digest: reader.seal.digest.description, isSealed: reader.isSealed,
      fileBytes: reader.fileSize,
      tensorBytes: tensors.reduce(0) { $0 + (reader.datasets[$1]?.info.declaredBytes ?? 0) },
      parameterCount: weights.reduce(0) { $0 + $1.shape.reduce(1, *) }, weights: weights,
      optimizerTensors: moments.count,
      states: Dictionary(
        states.compactMap { $0.split(separator: "/").dropFirst().first }
          .map { (TensorPath.decode($0), 1) }, uniquingKeysWith: +),
      architecture: try reader.json("/architecture", as: JSONValue.self) ?? .null,
      normalization: normalization,
      classNames: try reader.datasets["/input/class_names"]?.texts() ?? [],
      optimizer: try reader.json("/optimizer/settings", as: JSONValue.self) ?? .null,
      schedule: try reader.json("/schedule", as: JSONValue.self) ?? .null,
      progress: try reader.json("/progress", as: Progress.self) ?? Progress(),
      recipeDigest: recipe.map { SHA256Digest(of: $0).description }, recipe: recipe,
      fingerprints: try reader.json("/data/fingerprints", as: [String: String].self) ?? [:],
      indexSets: indexSets,
      history: try reader.children(of: "/history/").map { name, dataset in
        let series = try Checkpoint.series(dataset, name: name)
        return Summary.SeriesLine(
          name: name, unit: series.unit, count: series.steps.count, lastStep: series.steps.last,
          lastValue: series.values.last)
      },
      notes: try reader.json("/notes", as: JSONValue.self) ?? .null,
      codeVersion: try reader.text("/code_version") ?? "")
  }
}

extension SealedReader {
  /// Name, type and shape of the tensors below a prefix.
  func lines(below prefix: String) throws -> [Checkpoint.Summary.TensorLine] {
    try order.filter { $0.hasPrefix(prefix) }.map { path in
      let dataset = try required(path)
      return .init(
        name: name(path, below: prefix), dtype: try dtype(of: dataset).name,
        shape: dataset.info.shape)
    }
  }
}
