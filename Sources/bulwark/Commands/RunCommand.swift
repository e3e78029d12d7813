import ArgumentParser
import BulwarkTraining

/// `bulwark run`: a recipe.
struct RunCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Do what a recipe says; --set overrides single settings.")

  @Argument(help: "The recipe, a YAML file.")
  var recipe: String

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Override a setting, for example dbd.head.epochs=20; repeatable.", valueName: "key=value"))
  var overrides: [String] = []

  @OptionGroup(title: "Run")
  var options: RunOptions

  @OptionGroup(title: "Computing")
  var compute: ComputeOptions

  @OptionGroup(title: "Output")
  var output: OutputOptions

  func run() throws {
    let resolved = try ResolvedRecipe(file: recipe, overrides: overrides) { recipe in
      compute.overlay(on: &recipe)
      options.overlay(on: &recipe)
    }
    try TrainJob(
      command: "run", resolved: resolved, options: options,
      console: Console(output)
    ).perform()
  }
}
