import BulwarkStore
import Foundation
import Testing

/// A list that `bulwark flag` wrote as JSON.
struct SuspicionList {
  struct Sample: Decodable {
    let index: Int
    let score: Double
    let given_label: Int
  }

  /// All samples, in the order of the file.
  let samples: [Sample]
  /// Positions that are flagged.
  let flagged: [Int]
  /// Name of the scores.
  let score: String

  init(_ path: String) throws {
    let list = try JSONValue(parsing: String(contentsOfFile: path, encoding: .utf8))
    samples = try #require(try list["samples"]?.decode(as: [Sample].self))
    flagged = try #require(try list["flagged"]?.decode(as: [Int].self))
    score = try #require(try list["score"]?["name"]?.decode(as: String.self))
  }

  /// The flagged samples, in the order in which they are flagged.
  var flaggedSamples: [Sample] {
    let byIndex = Dictionary(uniqueKeysWithValues: samples.map { ($0.index, $0) })
    return flagged.compactMap { byIndex[$0] }
  }
}
