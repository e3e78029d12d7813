import BulwarkNN
import BulwarkStore
import BulwarkTraining
import Foundation

/// What null models score under an owner's key and under foreign ones, row by row, and kept in a file: all of a verdict
/// that no suspect changes, and nearly all that it costs.
///
/// A row is kept under the digest of its model's weights, so that populations of several sizes and networks share a
/// file, and what was scored under the first keys is not scored again where more keys are asked for.
struct NullTable {
  /// For each model the owner's key, then foreign ones, as far as they were asked about; nil where the model has no
  /// place for the mark.
  private(set) var rows: [[Double?]]
  /// Digests of the models' weights; empty where nothing is kept.
  private let names: [String]
  private let file: String?
  private let range: ClosedRange<Double>
  private var written = ContinuousClock.now

  /// To be raised with every change after which equal models score otherwise under equal keys.
  private static let revision = 3

  /// Rows as far as they are kept.
  ///
  /// - Parameters:
  ///   - models: one for each row.
  ///   - folder: where rows are kept; nil keeps none.
  ///   - range: of scores; rows that hold others are asked for again.
  ///   - identity: of everything that decides scores beside the models.
  /// - Throws: `TensorError`.
  init(
    of models: [ImageClassifier], keptIn folder: String?, range: ClosedRange<Double>,
    identity: () throws -> JSONValue
  ) throws {
    self.range = range
    guard let folder else {
      (rows, names, file) = (models.map { _ in [] }, [], nil)
      return
    }
    let whole: JSONValue = ["revision": .int(Self.revision), "scores": try identity()]
    let file = "\(folder)/scores-\(SHA256Digest(of: try whole.text()).description.prefix(24)).json"
    let names = try models.map { try $0.weightDigest() }
    let kept = Self.kept(file, range)
    rows = names.map { kept[$0] ?? [] }
    self.names = names
    self.file = file
  }

  /// A model has a place for the marks of all keys or of none, and scores are numbers of the range.
  private static func isSound(_ row: [Double?], _ range: ClosedRange<Double>) -> Bool {
    let scores = row.compactMap { $0 }
    return scores.isEmpty || scores.count == row.count && scores.allSatisfy(range.contains)
  }

  /// Adds scores under the next keys, and keeps what is there once a minute.
  mutating func add(_ scores: [Double?], to row: Int) {
    rows[row] += scores
    if .now - written > .seconds(60) { keep() }
  }

  /// Writes what is there, beside what others kept, of each row the longer; where nothing can be written, the next run
  /// asks again.
  mutating func keep() {
    guard let file else { return }
    written = .now
    var kept = Self.kept(file, range)
    for (name, row) in zip(names, rows) where !row.isEmpty && row.count >= kept[name]?.count ?? 0 {
      kept[name] = row
    }
    try? FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try? AtomicFile.write(
      Data((try JSONValue.text(of: kept) + "\n").utf8), to: file, overwrite: true)
  }

  /// What a run kept; a file that cannot be read, or a row with other than scores, is made anew.
  private static func kept(_ file: String, _ range: ClosedRange<Double>) -> [String: [Double?]] {
    let rows = FileManager.default.contents(atPath: file).flatMap {
      try? JSONDecoder().decode([String: [Double?]].self, from: $0)
    }
    return (rows ?? [:]).filter { isSound($0.value, range) }
  }
}
