import BulwarkData
import BulwarkStore
import BulwarkTensor

/// A poisoned training set and the truth about it.
public struct PoisonedDataset: Sendable {
  /// What was done.
  public let spec: AttackSpec
  /// The poisoned set: same order and size as the source.
  public let dataset: ImageDataset
  /// The clean set that it was made from.
  public let source: ImageDataset
  /// Ascending positions of the samples that carry the trigger.
  public let poisonedIndices: [Int]
  /// Ascending positions of the samples that WaNet's noise mode warped; their labels are true.
  public let noiseIndices: [Int]

  init(
    spec: AttackSpec, dataset: ImageDataset, source: ImageDataset, poisonedIndices: [Int],
    noiseIndices: [Int]
  ) {
    self.spec = spec
    self.dataset = dataset
    self.source = source
    self.poisonedIndices = poisonedIndices
    self.noiseIndices = noiseIndices
  }

  /// The record that is written beside the data.
  /// - Throws: `TensorError` from the fingerprints.
  public func manifest() throws -> PoisonManifest {
    PoisonManifest(
      spec: spec, poisonedIndices: poisonedIndices, noiseIndices: noiseIndices,
      trueLabels: poisonedIndices.map { source.labels[$0] }, sampleCount: source.count,
      form: try ImageForm(of: source.images), targetName: source.classNames[spec.target],
      sourceFingerprint: try source.fingerprint, poisonedFingerprint: try dataset.fingerprint)
  }

  /// The poisoned set as an HDF5 data set: index sets `poisoned` and `noise`, and the manifest under
  /// the key `poison` of the provenance.
  /// - Throws: `TensorError` from the fingerprints.
  public func file() throws -> DatasetFile {
    DatasetFile(
      images: dataset.images, labels: dataset.labels, classNames: dataset.classNames,
      indexSets: ["poisoned": poisonedIndices, "noise": noiseIndices],
      provenance: .object([
        PoisonManifest.provenanceKey: try JSONValue(encoding: try manifest())
      ]),
      sources: dataset.sources)
  }

  /// Rows of a picture sheet: clean | poisoned | difference ×10 (gray where nothing changed) of
  /// poisoned samples, taken at equal distances so that data sorted by class shows several classes.
  /// - Parameter count: samples shown at most.
  /// - Returns: for each sample three images `[C, H, W]`: uint8, uint8, float32 in 0...1; copies, so that they
  ///   keep neither data set in memory.
  /// - Throws: `TensorError`.
  public func pictureRows(count: Int = 8) throws -> [[Tensor]] {
    let shown = min(count, poisonedIndices.count)
    return try (0..<shown).map { place in
      let index = poisonedIndices[place * poisonedIndices.count / shown]
      let clean = try source.images.narrow(0, start: index, length: 1).squeeze(0).clone()
      let changed = try dataset.images.narrow(0, start: index, length: 1).squeeze(0).clone()
      return [clean, changed, try PictureSheet.difference(clean, changed, factor: 10)]
    }
  }

  /// Writes the picture sheet as PNG.
  /// - Throws: `DataError.noImages` when nothing was poisoned, `.cannotWrite`.
  public func writePictures(to path: String, count: Int = 8) throws {
    try PictureSheet.write(rows: pictureRows(count: count), to: path)
  }
}
