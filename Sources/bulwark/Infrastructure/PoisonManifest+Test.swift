import BulwarkData
import BulwarkPoisoning
import BulwarkStore
import Foundation

extension PoisonManifest {
  /// The manifest inside a data set that `bulwark data poison` wrote; nil for any other.
  static func stored(in bundle: DataBundle) throws -> PoisonManifest? {
    try PoisonManifest(in: bundle.provenance, path: bundle.path)
  }

  /// The manifest in a file that was named.
  ///
  /// - Throws: `ToolError` (missing input) where nothing is there; `PoisonError.notAManifest`.
  static func given(_ path: String) throws -> PoisonManifest {
    guard FileManager.default.fileExists(atPath: path) else {
      throw ToolError.missing(path, what: "poison manifest")
    }
    return try PoisonManifest(reading: path)
  }
}
