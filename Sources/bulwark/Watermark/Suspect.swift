import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkWatermark
import Foundation

/// What a verification is held against: a checkpoint, or the recorded answers of a served model.
struct Suspect {
  /// Its network; nil where that is not known.
  let architecture: Architecture?
  /// What it is called in results.
  let inputs: [String: JSONValue]
  /// Whether probabilities are not known.
  let answersLabelsOnly: Bool
  /// Holds it against a key.
  let report: (WatermarkVerifier) throws -> VerificationReport

  /// Reads a checkpoint and makes sure that it fits key and data.
  init(
    atHand recipe: WatermarkVerifyRecipe, _ key: WatermarkKey, _ task: WatermarkTask,
    console: Console
  ) throws {
    let loaded = try LoadedModel(recipe.suspect, device: task.device, console: console)
    try key.check(loaded.model)
    try loaded.check(task.data.train, path: recipe.data.path)
    architecture = loaded.model.architecture
    inputs = [
      "suspect": .string(loaded.path),
      "suspect_digest": .string("sha256:\(try loaded.checkpoint.modelDigest())"),
    ]
    answersLabelsOnly = false
    report = { try $0.verify(loaded.model, normalization: loaded.normalization) }
  }

  /// Reads queries and answers.
  init(served recipe: WatermarkVerifyRecipe, classNames: [String]) throws {
    let queries = try DataSource.load(recipe.queries).train
    let answers = try ServedAnswers(
      reading: recipe.answers, count: queries.count, classNames: classNames)
    let served = try ServedSuspect(queries, answers: answers)
    architecture = nil
    let file = try Data(contentsOf: URL(fileURLWithPath: recipe.answers))
    inputs = [
      "queries": .string(recipe.queries), "queries_fingerprint": .string(try queries.fingerprint),
      "answers": .string(recipe.answers),
      "answers_digest": .string("sha256:\(SHA256Digest(of: Array(file)))"),
    ]
    answersLabelsOnly = !answers.hasProbabilities
    report = { try $0.verify(served) }
  }
}
