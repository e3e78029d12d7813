import ArgumentParser
import BulwarkData
import BulwarkUnlearning

/// `bulwark unlearn`: an unlearning recipe made of flags.
struct UnlearnCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "unlearn",
    abstract: "Remove samples from a checkpoint, and measure how well that worked.",
    discussion: """
      Writes the unlearned checkpoint and the forgetting report (JSON, HDF5 and a table) to --out: \
      UA, RA, TA, MIA, cost, and with --reference retrain the distance to a model that never saw the \
      samples. The settings of a method are set with --set settings.NAME.KEY=VALUE; methods: \
      \(UnlearningMethod.allCases.map(\.rawValue).joined(separator: ", ")).
      """)

  @Option(help: "The checkpoint to unlearn from.")
  var checkpoint: String?

  @Option(help: "The data that it was trained on.")
  var data: String?

  @Option(help: "Kind of the data set, where detection is wrong.")
  var dataKind: DataKind?

  @Option(help: "Use at most this many training samples, balanced over the classes.")
  var limit: Int?

  @Option(
    help: ArgumentHelp(
      """
      What must go: a JSON, CSV or HDF5 list (such as `bulwark flag` writes), class:NAME, \
      random:SHARE[:SEED][@CLASS], source:FOLDER, or indices:1,2,3.
      """, valueName: "target"))
  var forget: String?

  @Option(
    help: ArgumentHelp(
      "NAME, or NAME+MASK such as ft+saliency; repeat it for a table of methods.",
      valueName: "name"))
  var method: [String] = []

  @Option(help: "Which weights may move: auto, none, saliency, random or inverted.")
  var mask: MaskOptions.Kind?

  @Option(help: "Share of the weights that the mask lets move, 0...1.")
  var ratio: Double?

  @Option(
    help: "Train a reference on the retained samples and measure the distance: retrain or none.")
  var reference: UnlearnRecipe.Reference?

  @Option(help: "Number of seeds; random forget sets are drawn anew for each.")
  var seeds: Int?

  @Option(help: "Attack unlearning with U-LiRA and this many shadow models (even, at least 6).")
  var shadows: Int?

  @Option(help: "Manifest (poison.json) of the attack whose success is measured.")
  var trigger: String?

  @Option(
    help: ArgumentHelp(
      "The list that the checkpoint's own training left out (train --leave-out).", valueName: "list"
    ))
  var leaveOut: String?

  @Flag(help: "Take data of another fingerprint than those that the checkpoint was trained on.")
  var acceptDifferentData = false

  @Option(help: "Folder where retrained references are kept for other runs.")
  var cache: String?

  @OptionGroup(title: "Run")
  var runOptions: ResumableOptions

  @OptionGroup
  var frame: RecipeOptions

  var output: OutputOptions { frame.output }

  func run() throws {
    try frame.perform(UnlearnJob.self, command: "unlearn", options: runOptions.options) { recipe in
      if let checkpoint { recipe.checkpoint = checkpoint }
      if let data { recipe.data.path = data }
      if let dataKind { recipe.data.kind = dataKind.rawValue }
      if let limit { recipe.data.limit = limit }
      if let forget { recipe.forget = forget }
      if !method.isEmpty { recipe.methods = method }
      if let mask { recipe.mask.kind = mask }
      if let ratio { try recipe.take(ratio: ratio) }
      if let reference { recipe.reference = reference }
      if let seeds { recipe.seeds = seeds }
      if let shadows { recipe.audit.shadows = shadows }
      if let trigger { recipe.trigger = trigger }
      if let leaveOut { recipe.leaveOut = leaveOut }
      if acceptDifferentData { recipe.acceptDifferentData = true }
      if let cache { recipe.cache = cache }
    }
  }
}

extension MaskOptions.Kind: ExpressibleByArgument {}
extension UnlearnRecipe.Reference: ExpressibleByArgument {}
