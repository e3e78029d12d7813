import BulwarkData
import BulwarkStore

extension Console {
  /// Loads a data set and passes its warnings on.
  func load(_ path: String, options: DataOptions) throws -> DataBundle {
    detail("reading \(path)")
    let bundle = try DataSource.load(path, options: options)
    for warning in bundle.warnings { note("warning: \(warning)") }
    return bundle
  }
}

extension DataBundle {
  /// The data set as a result's `inputs` name it: path and fingerprints.
  var inputs: [String: JSONValue] {
    get throws {
      var inputs: [String: JSONValue] = [
        "data": .string(path), "data_train": .string("sha256:" + (try train.fingerprint)),
      ]
      if let test { inputs["data_test"] = .string("sha256:" + (try test.fingerprint)) }
      return inputs
    }
  }
}
