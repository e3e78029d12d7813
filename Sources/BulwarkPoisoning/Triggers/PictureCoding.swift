import BulwarkData
import Foundation

/// Pictures inside JSON: the bytes of a PNG file in base 64, so that a manifest needs no other file.
enum PictureCoding {
  static func text(_ picture: RasterImage) throws -> String {
    Data(try ImageCodec.encodePNG(picture)).base64EncodedString()
  }

  /// - Throws: `PoisonError.invalidParameter` for text that is not base 64; `DataError` for bytes
  ///   that are no picture.
  static func picture(_ text: String, name: String) throws -> RasterImage {
    guard let bytes = Data(base64Encoded: text) else {
      throw PoisonError.invalidParameter(
        name: "picture '\(name)'", value: "not base 64", expected: "a PNG file in base 64")
    }
    return try bytes.withUnsafeBytes { try ImageCodec.decode($0, name: name) }
  }
}

extension PatchTrigger: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable {
    case name, row, column, reference, png
  }

  /// Reads a preset's name (`dbd-2x2`, `corner-3x3`), or a table with `name`, `row`, `column`,
  /// `reference` (only for a scaled place) and `png` (base 64).
  public init(from decoder: any Decoder) throws {
    if let name = try? decoder.singleValueContainer().decode(String.self) {
      self = try PatchTrigger.preset(name)
      return
    }
    try decoder.refuseKeys(otherThan: CodingKeys.allCases.map(\.rawValue))
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let name = try values.decode(String.self, forKey: .name)
    let row = try values.decodeIfPresent(Int.self, forKey: .row) ?? 0
    let column = try values.decodeIfPresent(Int.self, forKey: .column) ?? 0
    let reference = try values.decodeIfPresent(Int.self, forKey: .reference)
    try self.init(
      name: name,
      picture: PictureCoding.picture(values.decode(String.self, forKey: .png), name: name),
      placement: reference.map { .scaled(row: row, column: column, reference: $0) }
        ?? .exact(row: row, column: column))
  }

  /// Writes a preset as its name and any other trigger as a table.
  public func encode(to encoder: any Encoder) throws {
    if PatchTrigger.presets.contains(self) {
      var container = encoder.singleValueContainer()
      try container.encode(name)
      return
    }
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(name, forKey: .name)
    switch placement {
    case .exact(let row, let column):
      try values.encode(row, forKey: .row)
      try values.encode(column, forKey: .column)
    case .scaled(let row, let column, let reference):
      try values.encode(row, forKey: .row)
      try values.encode(column, forKey: .column)
      try values.encode(reference, forKey: .reference)
    }
    try values.encode(PictureCoding.text(picture), forKey: .png)
  }

  /// The trigger of this name.
  /// - Throws: `PoisonError.unknownName`.
  public static func preset(_ name: String) throws -> PatchTrigger {
    guard let found = presets.first(where: { $0.name == name }) else {
      throw PoisonError.unknownName(what: "patch", name: name, valid: presets.map(\.name))
    }
    return found
  }
}

extension BlendPicture: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case name, png }
  private static let builtInName = "built-in"

  /// Reads `built-in`, or a table with `name` and `png` (base 64).
  public init(from decoder: any Decoder) throws {
    if let name = try? decoder.singleValueContainer().decode(String.self) {
      guard name == Self.builtInName else {
        throw PoisonError.unknownName(
          what: "picture", name: name, valid: [Self.builtInName])
      }
      self = .builtIn
      return
    }
    try decoder.refuseKeys(otherThan: CodingKeys.allCases.map(\.rawValue))
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let name = try values.decode(String.self, forKey: .name)
    self = .image(
      try PictureCoding.picture(values.decode(String.self, forKey: .png), name: name), name: name)
  }

  /// Writes `built-in` or a table.
  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .builtIn:
      var container = encoder.singleValueContainer()
      try container.encode(Self.builtInName)
    case .image(let raster, let name):
      var values = encoder.container(keyedBy: CodingKeys.self)
      try values.encode(name, forKey: .name)
      try values.encode(PictureCoding.text(raster), forKey: .png)
    }
  }
}
