import BulwarkTraining

/// A key of any name.
struct AnyKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

extension Decoder {
  /// Refuses keys that nobody would read, so that a misspelled setting is not silently the default.
  /// - Throws: `PoisonError.unknownKey` naming the first such key in alphabetical order.
  func refuseKeys(otherThan valid: [String]) throws {
    let found = try container(keyedBy: AnyKey.self).allKeys.map(\.stringValue)
    if let key = found.sorted().first(where: { !valid.contains($0) }) {
      throw PoisonError.unknownKey(key: key, valid: valid)
    }
  }
}

/// The valid name that a mistyped one most likely stands for.
func closest(to name: String, in valid: [String]) -> String? { nearestName(to: name, in: valid) }

/// Throws `PoisonError.invalidParameter` unless `holds`.
func require(
  _ holds: Bool, _ name: String, _ value: some CustomStringConvertible, _ expected: String
) throws {
  guard holds else {
    throw PoisonError.invalidParameter(
      name: name, value: value.description, expected: expected)
  }
}
