import ArgumentParser
import BulwarkData
import BulwarkWatermark

/// `bulwark watermark verify`: a verification recipe made of flags.
struct WatermarkVerifyCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Test whether a suspect was derived from a marked model.",
    discussion: """
      Opens the commitment, draws the key's images again, trains null models that the cache lacks, and \
      ranks the suspect's score under the owner's key among foreign keys on the suspect, among null \
      models, and its excess among all (model, key) pairs. Exit code 2 when nothing is shown. \
      How null models are trained is set with --set nulls.training.KEY=VALUE: as the owner's model was.
      """)

  @Option(help: "The owner's key file.")
  var key: String?

  @Option(help: "The suspect, a checkpoint.")
  var suspect: String?

  @Option(
    help: "The commitment that the owner published, sha256:...; without it nothing is shown.")
  var commitment: String?

  @Option(help: "The owner's released model: its commitment and its weights must be the key's.")
  var released: String?

  @Option(help: "The data of the task.")
  var data: String?

  @Option(help: "Kind of the data set, where detection is wrong.")
  var dataKind: DataKind?

  @Option(help: "Use at most this many training samples, balanced over the classes.")
  var limit: Int?

  @Option(help: "Number of null models; default: 20.")
  var nulls: Int?

  @Option(help: "Number of foreign keys for null models and suspect; default: 49.")
  var foreignKeys: Int?

  @Option(help: "Number of foreign keys for the suspect in all; default: 999.")
  var suspectKeys: Int?

  @Option(help: "Largest rank p-value that counts as shown; default: 0.001.")
  var level: Double?

  @Option(help: "What may be asked of the suspect: labels, logits or weights.")
  var access: SuspectAccess?

  @Option(help: "Folder where null models are kept for other runs.")
  var cache: String?

  @OptionGroup
  var frame: RecipeOptions

  var output: OutputOptions { frame.output }

  func run() throws {
    try frame.perform(WatermarkVerifyJob.self, command: "watermark verify") { recipe in
      if let key { recipe.key = key }
      if let suspect { recipe.suspect = suspect }
      if let commitment { recipe.commitment = commitment }
      if let released { recipe.released = released }
      if let data { recipe.data.path = data }
      if let dataKind { recipe.data.kind = dataKind.rawValue }
      if let limit { recipe.data.limit = limit }
      if let nulls { recipe.nulls.count = nulls }
      if let foreignKeys { recipe.evidence.foreignKeys = foreignKeys }
      if let suspectKeys { recipe.evidence.suspectKeys = suspectKeys }
      if let level { recipe.evidence.level = level }
      if let access { recipe.evidence.access = access }
      if let cache { recipe.cache = cache }
    }
  }
}

extension SuspectAccess: ExpressibleByArgument {}
