import BulwarkTensor

/// An image data set stored as one sealed HDF5 file, with the same promises as a checkpoint.
public struct DatasetFile: Sendable {
  /// Format name in the root attribute `format`.
  public static let format = "bulwark.dataset"
  static let kind = "data"

  /// Images, [N, C, H, W], uint8, CPU.
  public var images: Tensor
  /// One label for each image, in `0..<classNames.count`.
  public var labels: [Int]
  /// Names of the classes in the order of the labels.
  public var classNames: [String]
  /// Indices of samples by name, for example `poisoned`.
  public var indexSets: [String: [Int]]
  /// Where the data came from and what was done to it.
  public var provenance: JSONValue
  /// The file that each sample came from, if known.
  public var sources: [String]?

  /// Makes a data set; ``write(to:overwrite:)`` checks that the parts fit each other.
  public init(
    images: Tensor, labels: [Int], classNames: [String], indexSets: [String: [Int]] = [:],
    provenance: JSONValue = .null, sources: [String]? = nil
  ) {
    self.images = images
    self.labels = labels
    self.classNames = classNames
    self.indexSets = indexSets
    self.provenance = provenance
    self.sources = sources
  }

  /// Writes the data set as one file that appears whole or not at all.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - overwrite: whether an existing file is replaced.
  ///   - isPrivate: whether nobody but the owner may read it (mode 0600), whatever was there before.
  /// - Throws: ``StoreError`` of kind `exists`, `cannotCreate`, `writeFailed`, or `invalidContent`
  ///   when images, labels, classes and indices do not fit each other.
  public func write(to path: String, overwrite: Bool = false, isPrivate: Bool = false) throws {
    try check(file: path)
    try SealedWriter.write(
      path, kind: DatasetFile.kind, format: DatasetFile.format, producer: Checkpoint.producer,
      overwrite: overwrite, isPrivate: isPrivate
    ) { writer in
      try writer.put(["images": images], below: [])
      try writer.put(integers: labels, at: ["labels"])
      try writer.put(texts: classNames, at: ["class_names"])
      for (name, indices) in indexSets.sorted(by: { $0.key < $1.key }) {
        try writer.put(integers: indices, at: ["indices", TensorPath.encode(name)])
      }
      if provenance != .null { try writer.put(text: try provenance.text(), at: ["provenance"]) }
      if let sources {
        try writer.put(text: try JSONValue(encoding: sources).text(), at: ["sources"])
      }
    }
  }

  /// Reads a data set; the seal and the contents are checked first.
  ///
  /// - Throws: ``StoreError``, whose kind says what is wrong.
  public init(reading path: String, policy: SealPolicy = .required) throws {
    let reader = try SealedReader(
      path, kind: DatasetFile.kind, format: DatasetFile.format, policy: policy)
    self.init(
      images: try reader.tensor("/images"),
      labels: try reader.required("/labels").integers(),
      classNames: try reader.required("/class_names").texts(),
      provenance: try reader.json("/provenance", as: JSONValue.self) ?? .null,
      sources: try reader.json("/sources", as: [String].self))
    for (name, dataset) in reader.children(of: "/indices/") {
      indexSets[name] = try dataset.integers()
    }
    try check(file: path)
  }

  /// True when the file starts with the seal of a Bulwark data set; reads 512 bytes.
  public static func isOne(_ path: String) -> Bool {
    guard let file = try? FileDescriptor(opening: path, shownAs: path),
      let head = try? file.bytes(Seal.size, at: 0),
      let seal = try? Seal(reading: head, file: path)
    else { return false }
    return seal.kind == kind
  }

  private func check(file: String) throws {
    func problem(_ item: String, _ expected: String, _ found: String) -> StoreError {
      StoreError(
        .invalidContent, file: file, item: item, expected: expected, found: found,
        remedy: "Mend the data set that this file was made from.")
    }
    let shape = images.shape
    guard images.dtype == .uint8, shape.count == 4 else {
      throw problem("images", "[N, C, H, W], uint8", "\(shape), \(images.dtype.name)")
    }
    guard labels.count == shape[0] else {
      throw problem("labels", "\(shape[0]) labels, one for each image", "\(labels.count)")
    }
    if let wrong = labels.firstIndex(where: { !classNames.indices.contains($0) }) {
      throw problem(
        "labels", "labels in 0..<\(classNames.count)", "\(labels[wrong]) for sample \(wrong)")
    }
    for (name, indices) in indexSets {
      if let wrong = indices.first(where: { !labels.indices.contains($0) }) {
        throw problem("indices/\(name)", "indices in 0..<\(labels.count)", "\(wrong)")
      }
    }
    if let sources, sources.count != labels.count {
      throw problem("sources", "\(labels.count) names, one for each image", "\(sources.count)")
    }
  }
}
