import ArgumentParser
import BulwarkData
import BulwarkNN
import BulwarkTraining

/// `bulwark train`: a recipe made of flags.
struct TrainCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a model, undefended or with a defense against poisoned data.",
    discussion: """
      Reports clean accuracy and, where a trigger is known (--attack, or a data set that \
      `bulwark data poison` wrote), the attack success rate. Every setting of a recipe can be given \
      with --set; `bulwark run` trains from a recipe file.
      """)

  @Option(help: "standard or dbd; repeat it to train several models on the same data.")
  var method: [String] = []

  @Option(help: "Where DBD's settings start: bulwark (its own defaults) or paper (official).")
  var variant: TrainRecipe.Variant?

  @Option(help: "The data set; default: digits.")
  var data: String?

  @Option(help: "Kind of the data set, where detection is wrong.")
  var dataKind: DataKind?

  @Option(help: "Use at most this many training samples, balanced over the classes.")
  var limit: Int?

  @Option(
    help: ArgumentHelp(
      "Leave these samples out: a JSON, CSV or HDF5 list, such as `bulwark flag` writes.",
      valueName: "list"))
  var leaveOut: String?

  @Option(help: "Architecture: \(Architecture.Family.listing).")
  var model: Architecture.Family?

  @Option(help: "Channels of the first stage; 64 is the published size.")
  var width: Int?

  @Option(
    help: ArgumentHelp(
      "Poison the training images first: \(AttackOptions.names).", valueName: "name"))
  var attack: String?

  @OptionGroup(title: "Attack")
  var attackOptions: AttackOptions

  @OptionGroup(title: "Run")
  var runOptions: StagedOptions

  @OptionGroup
  var frame: RecipeOptions

  var output: OutputOptions { frame.output }

  func run() throws {
    try frame.perform(
      TrainJob.self, command: "train", options: runOptions.options,
      settings: variant.map { ["variant=\($0.rawValue)"] } ?? []
    ) { recipe in
      if !method.isEmpty { recipe.methods = method }
      if let data { recipe.data.path = data }
      if let dataKind { recipe.data.kind = dataKind.rawValue }
      if let limit { recipe.data.limit = limit }
      if let leaveOut { recipe.leaveOut = leaveOut }
      if let model { recipe.model.family = model }
      if let width { recipe.model.width = width }
      if let attack { recipe.poison.attack = attack }
      attackOptions.overlay(on: &recipe.poison)
      try refuseIdleAttack(recipe.poison)
    }
  }

  /// Flags that describe an attack must count; --attack none says that they should not.
  private func refuseIdleAttack(_ poison: PoisonSettings) throws {
    let given = attackOptions.given
    guard attack == nil, poison.attack == PoisonSettings.none, !given.isEmpty else { return }
    throw ToolError.usage(
      "No attack is chosen, so \(given.joined(separator: ", ")) would have no effect.",
      remedy:
        "Choose one with --attack (\(AttackOptions.names)), or leave the flags of attacks out."
    )
  }
}

extension TrainRecipe.Variant: ExpressibleByArgument {}
