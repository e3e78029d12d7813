import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import BulwarkUnlearning
import Foundation

/// Retrained references, kept for other runs under the digest of everything that decides them.
struct RetrainCache {
  let run: UnlearnRun

  /// File of the reference of a seed.
  func path(_ input: UnlearningInput, seed: UInt64) throws -> String {
    let identity = JSONValue.object(try identity(input, seed: seed))
    let digest = SHA256Digest(of: try identity.text()).description.prefix(24)
    return "\(run.recipe.cache)/retrain-\(digest).h5"
  }

  /// Everything that decides how a model is trained on the task of a seed.
  func identity(_ input: UnlearningInput, seed: UInt64) throws -> [String: JSONValue] {
    [
      "architecture": try JSONValue(encoding: run.loaded.model.architecture),
      "settings": try JSONValue(encoding: run.retrain),
      "views": try JSONValue(encoding: run.views),
      "normalization": try JSONValue(encoding: run.loaded.checkpoint.normalization),
      "data": .string(try input.train.fingerprint),
      "forget_set": .string(input.forgetSet.digest), "seed": .unsigned(seed),
      "precision": .string(try run.recipe.precision.resolved(on: run.device).rawValue),
      "device": .string(run.device.description),
      "threads": .int(try Runtime.shared().threadCount()),
      "version": .string(ToolVersion.current), "revision": .int(AlgorithmRevision.current),
    ]
  }
}

/// Revision of the code that trains, unlearns and measures. It stands in the identity of everything that
/// is kept for later: references, shadows, their statistics and measured rows.
enum AlgorithmRevision {
  /// To be raised with every change after which equal settings give other weights or other measurements;
  /// then nothing that older code has kept is used.
  static let current = 1
}

/// Seconds that runs have taken so far, beside the checkpoints: a checkpoint itself holds no time.
struct CostFile {
  let path: String

  /// The costs by the names of their runs.
  func read() -> [String: UnlearningCost] {
    guard let data = FileManager.default.contents(atPath: path) else { return [:] }
    return (try? JSONDecoder().decode([String: UnlearningCost].self, from: data)) ?? [:]
  }

  /// Sets the cost of one run.
  func set(_ cost: UnlearningCost, of name: String) throws {
    var costs = read()
    costs[name] = cost
    let text = try JSONValue(encoding: costs).text() + "\n"
    try AtomicFile.write(Data(text.utf8), to: path, overwrite: true)
  }
}
