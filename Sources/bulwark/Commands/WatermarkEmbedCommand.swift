import ArgumentParser
import BulwarkData
import BulwarkWatermark

/// `bulwark watermark embed`: an embedding recipe made of flags.
struct WatermarkEmbedCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "embed",
    abstract: "Put an ownership watermark into a model, a new one or one that is trained already.",
    discussion: """
      Writes to --out: model.h5, which may be released and holds nothing but the commitment; key.json \
      (readable by its owner alone), training.h5 and result.json, which must stay secret. Publish the \
      printed commitment with a trusted time stamp before the release. Schemes: \
      \(WatermarkScheme.allCases.map(\.rawValue).joined(separator: ", ")).
      """)

  @Option(help: "The training data.")
  var data: String?

  @Option(help: "Kind of the data set, where detection is wrong.")
  var dataKind: DataKind?

  @Option(help: "Use at most this many training samples, balanced over the classes.")
  var limit: Int?

  @Option(help: "The watermark scheme; default: tilted.")
  var scheme: WatermarkScheme?

  @Option(help: "A trained model to be marked; default: one is trained from fresh weights.")
  var checkpoint: String?

  @Option(help: "Name of the owner; part of the commitment.")
  var owner: String?

  @Option(help: "Epochs of training.")
  var epochs: Int?

  @OptionGroup(title: "Run")
  var runOptions: ResumableOptions

  @OptionGroup
  var frame: RecipeOptions

  var output: OutputOptions { frame.output }

  func run() throws {
    try frame.perform(
      WatermarkEmbedJob.self, command: "watermark embed", options: runOptions.options
    ) { recipe in
      if let data { recipe.data.path = data }
      if let dataKind { recipe.data.kind = dataKind.rawValue }
      if let limit { recipe.data.limit = limit }
      if let scheme { recipe.scheme = scheme }
      if let checkpoint { recipe.checkpoint = checkpoint }
      if let owner { recipe.owner = owner }
      if let epochs { recipe.training.epochs = epochs }
    }
  }
}

extension WatermarkScheme: ExpressibleByArgument {}
