import ArgumentParser
import BulwarkWatermark

/// `bulwark watermark verify`: a verification recipe made of flags.
struct WatermarkVerifyCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Test whether a suspect was derived from a marked model.",
    discussion: """
      Opens the commitment, draws the key's images again, trains null models that the cache lacks, and \
      ranks what the suspect says under the owner's key, beyond null models, among foreign keys, its score \
      among null models, and its excess among all (model, key) pairs. Exit code 2 when nothing is shown. \
      How null models are trained is set with --set nulls.training.KEY=VALUE: as the owner's model was.
      """)

  @OptionGroup(title: "Key and data")
  var keyOptions: KeyOptions

  @Option(help: "The suspect, a checkpoint.")
  var suspect: String?

  @Option(help: "Instead of --suspect: what bulwark watermark queries wrote for a served one.")
  var queries: String?

  @Option(help: "Its answers, a CSV file: a column 'label', or a probability for each class.")
  var answers: String?

  @Option(
    help: "The commitment that the owner published, sha256:...; without it nothing is shown.")
  var commitment: String?

  @Option(help: "The owner's released model: its commitment and its weights must be the key's.")
  var released: String?

  @Option(help: "Number of null models; default: 20.")
  var nulls: Int?

  @Option(help: "Largest rank p-value that counts as shown; default: 0.001.")
  var level: Double?

  @Option(
    help: ArgumentHelp(
      """
      Number of commitments that this owner has published; the level is divided by it, since each \
      is one more chance; default: 1.
      """))
  var commitments: Int?

  @Option(help: "What may be asked of the suspect: labels, logits or weights.")
  var access: SuspectAccess?

  @OptionGroup(title: "Run")
  var runOptions: ReportOptions

  @OptionGroup
  var frame: RecipeOptions

  var output: OutputOptions { frame.output }

  func run() throws {
    try frame.perform(
      WatermarkVerifyJob.self, command: "watermark verify", options: runOptions.options
    ) { recipe in
      keyOptions.overlay(on: &recipe)
      if let suspect { recipe.suspect = suspect }
      if let queries { recipe.queries = queries }
      if let answers { recipe.answers = answers }
      if let commitment { recipe.commitment = commitment }
      if let released { recipe.released = released }
      if let nulls { recipe.nulls.count = nulls }
      if let level { recipe.evidence.level = level }
      if let commitments { recipe.evidence.commitments = commitments }
      if let access { recipe.evidence.access = access }
    }
  }
}

extension SuspectAccess: ExpressibleByArgument {}
