import ArgumentParser
import BulwarkData
import BulwarkWatermark

/// `bulwark watermark embed`: an embedding recipe made of flags.
struct WatermarkEmbedCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "embed",
    abstract: "Train a model that carries an ownership watermark.",
    discussion: """
      Writes to --out: model.h5, which may be released and holds nothing but the commitment; key.json \
      (readable by its owner alone) and training.h5, which must stay secret. Publish the printed \
      commitment with a trusted time stamp before the release. Schemes: \
      \(WatermarkScheme.allCases.map(\.rawValue).joined(separator: ", ")).
      """)

  @Option(help: "The training data.")
  var data: String?

  @Option(help: "Kind of the data set, where detection is wrong.")
  var dataKind: DataKind?

  @Option(help: "Use at most this many training samples, balanced over the classes.")
  var limit: Int?

  @Option(help: "The watermark scheme; default: rehearsed.")
  var scheme: WatermarkScheme?

  @Option(help: "Name of the owner; part of the commitment.")
  var owner: String?

  @Option(help: "Epochs of training.")
  var epochs: Int?

  @Option(help: "Start from this recipe instead of the defaults.")
  var recipe: String?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Override a setting, for example watermark.carriers.count=200; repeatable.",
      valueName: "key=value"))
  var overrides: [String] = []

  @OptionGroup(title: "Run")
  var options: RunOptions

  @OptionGroup(title: "Computing")
  var compute: ComputeOptions

  @OptionGroup(title: "Output")
  var output: OutputOptions

  func run() throws {
    let resolved = try ResolvedRecipe<WatermarkEmbedRecipe>(file: recipe, overrides: overrides) {
      recipe in
      if let data { recipe.data.path = data }
      if let dataKind { recipe.data.kind = dataKind.rawValue }
      if let limit { recipe.data.limit = limit }
      if let scheme { recipe.scheme = scheme }
      if let owner { recipe.owner = owner }
      if let epochs { recipe.training.epochs = epochs }
      compute.overlay(on: &recipe)
      options.overlay(on: &recipe)
    }
    try WatermarkEmbedJob(
      command: "watermark embed", resolved: resolved, options: options, console: Console(output)
    ).perform()
  }
}

extension WatermarkScheme: ExpressibleByArgument {}
