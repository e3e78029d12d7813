import ArgumentParser
import BulwarkTraining
import Foundation

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
    let console = Console(output)
    switch try RecipeCommand(of: recipe) {
    case .train:
      let resolved = try ResolvedRecipe<TrainRecipe>(file: recipe, overrides: overrides) { recipe in
        compute.overlay(on: &recipe)
        options.overlay(on: &recipe)
      }
      try TrainJob(command: "run", resolved: resolved, options: options, console: console)
        .perform()
    case .unlearn:
      let resolved = try ResolvedRecipe<UnlearnRecipe>(file: recipe, overrides: overrides) {
        recipe in
        compute.overlay(on: &recipe)
        options.overlay(on: &recipe)
      }
      try UnlearnJob(command: "run", resolved: resolved, options: options, console: console)
        .perform()
    case .stress:
      let resolved = try ResolvedRecipe<StressRecipe>(file: recipe, overrides: overrides) {
        recipe in
        compute.overlay(on: &recipe)
        options.overlay(on: &recipe)
      }
      try StressJob(command: "run", resolved: resolved, options: options, console: console)
        .perform()
    case .watermarkEmbed:
      let resolved = try ResolvedRecipe<WatermarkEmbedRecipe>(file: recipe, overrides: overrides) {
        recipe in
        compute.overlay(on: &recipe)
        options.overlay(on: &recipe)
      }
      try WatermarkEmbedJob(command: "run", resolved: resolved, options: options, console: console)
        .perform()
    case .watermarkVerify:
      let resolved = try ResolvedRecipe<WatermarkVerifyRecipe>(file: recipe, overrides: overrides) {
        recipe in compute.overlay(on: &recipe)
      }
      try WatermarkVerifyJob(command: "run", resolved: resolved, options: options, console: console)
        .perform()
    }
  }
}

/// The command that a recipe is for: its key `command`, `train` where it has none.
enum RecipeCommand: String, CaseIterable {
  case train, unlearn
  case watermarkEmbed = "watermark embed"
  case watermarkVerify = "watermark verify"
  case stress = "watermark stress"

  /// Reads the key; everything else about the file is checked later.
  ///
  /// - Throws: `ToolError` when the file is missing, `RecipeError` for an unknown command.
  init(of file: String) throws {
    guard FileManager.default.fileExists(atPath: file) else {
      throw ToolError.missing(file, what: "recipe")
    }
    let text = try String(contentsOfFile: file, encoding: .utf8)
    let name = RecipeTree.text(of: "command", in: text) ?? RecipeCommand.train.rawValue
    guard let command = RecipeCommand(rawValue: name) else {
      let valid = RecipeCommand.allCases.map(\.rawValue)
      let hint = nearestName(to: name, in: valid).map { "; did you mean '\($0)'?" } ?? ""
      throw RecipeError.unfit(
        cause: "command is '\(name)', expected \(valid.joined(separator: " or "))\(hint)")
    }
    self = command
  }
}
