import BulwarkStore

/// What a loader gives: the training set, the test set where there is one, and what was odd.
public struct DataBundle: Sendable {
  /// The training samples.
  public let train: ImageDataset
  /// The test samples, with the training set's classes, channels and size.
  public let test: ImageDataset?
  /// What the data turned out to be.
  public let kind: DataKind
  /// Things a user should know: files left out, ignored files, incomplete sets.
  public let warnings: [String]
  /// The path as given, or `digits`.
  public let path: String
  /// Named positions in the training set, for example `poisoned`, where the data set stores them.
  public let indexSets: [String: [Int]]
  /// What the data set says of its own origin; null for every kind but Bulwark's HDF5.
  public let provenance: JSONValue

  /// Puts the parts together after checking that train and test fit each other.
  /// - Throws: `DataError.inconsistent` when classes, channels or sizes differ.
  public init(
    train: ImageDataset, test: ImageDataset?, kind: DataKind, path: String,
    warnings: [String] = [], indexSets: [String: [Int]] = [:], provenance: JSONValue = .null
  ) throws {
    for (name, indices) in indexSets {
      guard let wrong = indices.first(where: { !(0..<train.count).contains($0) }) else { continue }
      throw DataError.inconsistent(
        path: path, reason: "index set '\(name)' names sample \(wrong) of \(train.count)")
    }
    if let test {
      guard test.classNames == train.classNames else {
        throw DataError.inconsistent(path: path, reason: "train and test have other classes")
      }
      guard test.images.shape.dropFirst() == train.images.shape.dropFirst() else {
        throw DataError.inconsistent(
          path: path,
          reason:
            "training images are \(train.images.shape.dropFirst()) (channels, rows, columns), "
            + "test images \(test.images.shape.dropFirst())")
      }
    }
    self.train = train
    self.test = test
    self.kind = kind
    self.path = path
    self.warnings = warnings
    self.indexSets = indexSets
    self.provenance = provenance
  }
}
