import BulwarkStore
import BulwarkTensor

/// Bulwark's own HDF5 data sets (`DatasetFile`).
///
/// The index sets `train` and `test` say which samples belong to which split; without them every
/// sample is a training sample (and `testFraction` may split them). All other index sets are kept
/// for the training samples, renumbered to the training set.
enum StoredDatasetLoader {
  static let trainSet = "train"
  static let testSet = "test"

  static func load(_ path: String, options: DataOptions) throws -> DataBundle {
    let file = try DatasetFile(reading: path)
    let all = try ImageDataset(
      images: file.images, labels: file.labels, classNames: file.classNames, sources: file.sources,
      name: path)
    var trainPositions = file.indexSets[trainSet] ?? []
    var testPositions = file.indexSets[testSet] ?? []
    if trainPositions.isEmpty {
      let inTest = Set(testPositions)
      trainPositions = (0..<all.count).filter { !inTest.contains($0) }
    }
    if testPositions.isEmpty, let fraction = options.testFraction, fraction > 0 {
      let halves = SampleSelection.split(
        labels: trainPositions.map { all.labels[$0] }, classCount: all.classCount,
        testFraction: fraction)
      testPositions = halves.test.map { trainPositions[$0] }
      trainPositions = halves.train.map { trainPositions[$0] }
    }
    trainPositions = limited(trainPositions, all, options.limit)
    testPositions = limited(testPositions, all, options.testLimit)
    guard !trainPositions.isEmpty else {
      throw DataError.noImages(path: path, looked: "no sample is left for training")
    }
    var places = [Int: Int](minimumCapacity: trainPositions.count)
    for (place, position) in trainPositions.enumerated() { places[position] = place }
    let kept = file.indexSets.filter { $0.key != trainSet && $0.key != testSet }
      .mapValues { $0.compactMap { places[$0] } }
    return try BundleAssembly.bundle(
      train: all.subset(trainPositions),
      test: testPositions.isEmpty ? nil : all.subset(testPositions), kind: .hdf5, path: path,
      options: options, indexSets: kept, provenance: file.provenance)
  }

  private static func limited(_ positions: [Int], _ all: ImageDataset, _ limit: Int?) -> [Int] {
    guard let limit, limit < positions.count else { return positions }
    return SampleSelection.balanced(
      labels: positions.map { all.labels[$0] }, classCount: all.classCount, limit: limit
    ).map { positions[$0] }
  }
}

extension DataBundle {
  /// Writes training and test set into one HDF5 data set, which `DataSource.load` reads back.
  /// - Parameters:
  ///   - destination: the file; appears whole or not at all.
  ///   - overwrite: whether an existing file is replaced.
  ///   - isPrivate: whether nobody but the owner may read it (mode 0600), whatever was there before.
  ///   - provenance: where the data came from and what was done to it.
  /// - Throws: `StoreError` when the file exists, cannot be written or the content does not fit.
  public func write(
    to destination: String, overwrite: Bool = false, isPrivate: Bool = false,
    provenance: JSONValue = .null
  ) throws {
    var sets = indexSets
    sets[StoredDatasetLoader.trainSet] = Array(0..<train.count)
    if let test {
      sets[StoredDatasetLoader.testSet] = Array(train.count..<train.count + test.count)
    }
    let parts = [train] + (test.map { [$0] } ?? [])
    let sources = parts.compactMap(\.sources)
    let file = DatasetFile(
      images: parts.count == 1 ? train.images : try Tensor.cat(parts.map(\.images), dim: 0),
      labels: parts.flatMap(\.labels), classNames: train.classNames, indexSets: sets,
      provenance: provenance,
      sources: sources.count == parts.count ? sources.flatMap { $0 } : nil)
    try file.write(to: destination, overwrite: overwrite, isPrivate: isPrivate)
  }
}
