import BulwarkData
import BulwarkPoisoning
import BulwarkStore

extension PoisonManifest {
  /// The manifest inside a data set that `bulwark data poison` wrote; nil for any other.
  static func stored(in bundle: DataBundle) throws -> PoisonManifest? {
    guard bundle.kind == .hdf5 else { return nil }
    return try PoisonManifest(in: DatasetFile(reading: bundle.path), path: bundle.path)
  }
}
