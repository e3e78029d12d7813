import ArgumentParser
import BulwarkData
import BulwarkWatermark

/// `bulwark watermark stress`: a stress recipe made of flags.
struct WatermarkStressCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "stress",
    abstract: "Attack a marked model in every known way, and see what survives.",
    discussion: """
      Any watermark that is a trigger set can be tested, also of an imported PyTorch model: give the \
      model and the carriers with their labels as a data set. Writes stress.json, stress.svg \
      (accuracy against survival) and a table; finished attacks are kept and not run again with \
      --resume. Ends with 2 when the model itself does not show the key, or has no place for it. An \
      attack is NAME or NAME:key=value,key=value; A+B is a chain. Attacks: \
      \(StressAttacks.registry(carrierClass: 0).names.joined(separator: ", ")).
      """)

  @Option(help: "The marked model: a checkpoint.")
  var checkpoint: String?

  @Option(help: "The data that it was trained on, with test images.")
  var data: String?

  @Option(help: "Kind of the data set, where detection is wrong.")
  var dataKind: DataKind?

  @Option(help: "Use at most this many training samples, balanced over the classes.")
  var limit: Int?

  @Option(help: "Use at most this many test samples, balanced over the classes.")
  var testLimit: Int?

  @Option(
    help: "Images that the owner did not train on; those that also stand in --data are left out.")
  var otherData: String?

  @Option(help: "Use at most this many of them, balanced over the classes.")
  var otherLimit: Int?

  @Option(help: "The owner's key file, as bulwark watermark embed writes it.")
  var key: String?

  @Option(help: "Number of foreign keys made for --key; more allow smaller p-values.")
  var foreignKeys: Int?

  @Option(
    help: "Instead of --key, the trigger set: a data set of carriers with the labels of the key.")
  var carriers: String?

  @Option(
    help: ArgumentHelp(
      "The trigger set of another key, a control; repeatable.", valueName: "carriers"))
  var foreign: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      Number of null models to train for each architecture of surrogates, for p-values; they are \
      kept in --cache.
      """))
  var nulls: Int?

  @Option(help: "Folder where null models are kept for other runs.")
  var cache: String?

  @Option(help: "What may be asked of a surrogate: labels or logits.")
  var access: SuspectAccess?

  @Option(
    help: ArgumentHelp(
      """
      A model trained without the marked one; p-values of surrogates of its architecture are ranks \
      among what such models score on every key; repeatable.
      """, valueName: "checkpoint"))
  var nullModel: [String] = []

  @Option(help: "List of attacks: standard, quick or paper.")
  var suite: RemovalSuite?

  @Option(help: "An attack instead of the suite; repeatable.")
  var attack: [String] = []

  @Option(
    help: """
      Accuracy that an attack may lose before it is marked, 0...1; surrogates of another \
      architecture against its null models, where these have less.
      """)
  var margin: Double?

  @Option(help: "Largest p-value that proves derivation.")
  var level: Double?

  @Flag(help: "Keep the surrogates as checkpoints, but for those that compute on integers.")
  var keepSurrogates = false

  @Option(
    help: ArgumentHelp(
      """
      Folder of an earlier run with --keep-surrogates: what it made alike is measured again instead of \
      made again, for instance with more null models.
      """, valueName: "run"))
  var surrogates: String?

  @OptionGroup(title: "Run")
  var runOptions: ResumableOptions

  @OptionGroup
  var frame: RecipeOptions

  var output: OutputOptions { frame.output }

  func run() throws {
    try frame.perform(
      StressJob.self, command: "watermark stress", options: runOptions.options
    ) { recipe in
      if let checkpoint { recipe.checkpoint = checkpoint }
      if let data { recipe.data.path = data }
      if let dataKind { recipe.data.kind = dataKind.rawValue }
      if let limit { recipe.data.limit = limit }
      if let testLimit { recipe.data.testLimit = testLimit }
      if let otherData { recipe.otherData.path = otherData }
      if let otherLimit { recipe.otherData.limit = otherLimit }
      if let key { recipe.key = key }
      if let foreignKeys { recipe.evidence.foreignKeys = foreignKeys }
      if let carriers { recipe.carriers = carriers }
      if !foreign.isEmpty { recipe.foreign = foreign }
      if let nulls { recipe.nulls.count = nulls }
      if !nullModel.isEmpty { recipe.nullModels = nullModel }
      if let cache { recipe.cache = cache }
      if let access { recipe.evidence.access = access }
      if let suite { recipe.suite = suite }
      if !attack.isEmpty { recipe.attacks = attack }
      if let margin { recipe.margin = margin }
      if let level { recipe.evidence.level = level }
      if keepSurrogates { recipe.keepSurrogates = true }
      if let surrogates { recipe.surrogates = surrogates }
      // Also where they say what is the default.
      if foreignKeys != nil, !recipe.carriers.isEmpty { throw StressRecipe.idleForeignKeys }
      if suite != nil, !recipe.attacks.isEmpty { throw StressRecipe.idleSuite }
    }
  }
}

extension RemovalSuite: ExpressibleByArgument {}
