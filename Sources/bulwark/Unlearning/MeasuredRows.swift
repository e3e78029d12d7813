import BulwarkStore
import BulwarkTraining
import BulwarkUnlearning
import Foundation

/// What a run has measured so far, in its folder: a run that goes on after an interruption measures
/// nothing twice.
struct MeasuredRows {
  let run: UnlearnRun
  let folder: RunFolder

  /// The file of a row.
  func path(_ name: String) -> String { folder.file("measured/\(name).json") }

  /// The row that was kept, where it is of this checkpoint and measured under this recipe's conditions.
  func row(
    _ name: String, of method: MethodRow?, _ input: UnlearningInput, seed: UInt64,
    checkpoint: String
  ) throws -> ForgettingReport.Row? {
    guard let data = FileManager.default.contents(atPath: path(name)),
      let kept = try? JSONDecoder().decode(Kept.self, from: data),
      kept.checkpoint == checkpoint,
      kept.conditions == (try conditions(method, input, seed: seed))
    else { return nil }
    let definitions = Dictionary(
      Metric.all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let values = kept.values.compactMap { measure in
      definitions[measure.name].map { MetricValue($0, measure.value, count: measure.count) }
    }
    guard values.count == kept.values.count else { return nil }
    return ForgettingReport.Row(
      name: kept.name, seed: seed, checkpointDigest: checkpoint, forgetSet: input.forgetSet,
      values: values, confidence: kept.confidence, settings: kept.settings)
  }

  /// Keeps a row; one with a value that is no number is measured again.
  func keep(
    _ row: ForgettingReport.Row, as name: String, of method: MethodRow?, _ input: UnlearningInput
  ) throws {
    guard let checkpoint = row.checkpointDigest, row.values.allSatisfy(\.value.isFinite),
      row.confidence.allSatisfy(\.isFinite)
    else { return }
    let kept = Kept(
      conditions: try conditions(method, input, seed: row.seed), checkpoint: checkpoint,
      name: row.name,
      values: row.values.map {
        Kept.Measure(name: $0.definition.name, value: $0.value, count: $0.count)
      },
      confidence: row.confidence, settings: row.settings)
    try OutputFile.makeFolder(folder.file("measured"))
    try AtomicFile.write(Data(try JSONValue.text(of: kept).utf8), to: path(name), overwrite: true)
  }

  /// Digest of everything beside the model that decides what is measured.
  private func conditions(_ method: MethodRow?, _ input: UnlearningInput, seed: UInt64) throws
    -> String
  {
    let identity: JSONValue = [
      "data": .string(try input.train.fingerprint),
      "forget_set": .string(input.forgetSet.digest),
      "test": .string(try run.test?.fingerprint ?? ""),
      "triggered": .string(try run.triggered?.dataset.fingerprint ?? ""),
      "relearning": try JSONValue(encoding: run.recipe.relearning),
      "settings": try method.map { try run.recipe.settings.settings(of: $0.method) } ?? .null,
      "mask": try method.map { try JSONValue(encoding: run.recipe.mask(of: $0)) } ?? .null,
      "views": try JSONValue(encoding: run.views), "seed": .unsigned(seed),
      "version": .string(ToolVersion.current),
      "revision": .int(AlgorithmRevision.current),
    ]
    return SHA256Digest(of: try identity.text()).description
  }

  private struct Kept: Codable {
    struct Measure: Codable {
      var name: String
      var value: Double
      var count: Int
    }
    var conditions: String
    var checkpoint: String
    var name: String
    var values: [Measure]
    var confidence: [Double]
    var settings: JSONValue
  }
}
