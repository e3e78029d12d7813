import ArgumentParser
import BulwarkData

/// The owner's key and what foreign keys are drawn from: what `watermark verify` and `queries` share.
struct KeyOptions: ParsableArguments {
  @Option(help: "The owner's key file.")
  var key: String?

  @Option(help: "The data of the task: the owner's training set.")
  var data: String?

  @Option(help: "Kind of the data set, where detection is wrong.")
  var dataKind: DataKind?

  @Option(help: "Use at most this many training samples, balanced over the classes.")
  var limit: Int?

  @Option(
    help: ArgumentHelp(
      """
      Number of foreign keys, the first ones, that the owner's key must lead; null models are asked about these, \
      or about all where keys are compared by excess, as they are by default; default: 49.
      """))
  var foreignKeys: Int?

  @Option(help: "Number of foreign keys for the suspect in all; default: 999.")
  var suspectKeys: Int?

  @Option(
    help:
      "Folder where null models, what they score and what is chosen with them are kept for other runs."
  )
  var cache: String?

  /// Puts what was given over a recipe.
  func overlay(on recipe: inout WatermarkVerifyRecipe) {
    if let key { recipe.key = key }
    if let data { recipe.data.path = data }
    if let dataKind { recipe.data.kind = dataKind.rawValue }
    if let limit { recipe.data.limit = limit }
    if let foreignKeys { recipe.evidence.foreignKeys = foreignKeys }
    if let suspectKeys { recipe.evidence.suspectKeys = suspectKeys }
    if let cache { recipe.cache = cache }
  }
}
