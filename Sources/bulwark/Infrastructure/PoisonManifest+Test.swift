import BulwarkData
import BulwarkPoisoning
import BulwarkStore

extension PoisonManifest {
  /// The manifest inside a data set that `bulwark data poison` wrote; nil for any other.
  static func stored(in bundle: DataBundle) throws -> PoisonManifest? {
    try PoisonManifest(in: bundle.provenance, path: bundle.path)
  }
}
