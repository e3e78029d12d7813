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

  @OptionGroup(title: "Run")
  var runOptions: StagedOptions

  @OptionGroup
  var frame: RecipeFrame

  var output: OutputOptions { frame.output }

  func run() throws {
    switch try RecipeCommand(of: recipe) {
    case .train: try perform(TrainJob.self)
    case .unlearn: try perform(UnlearnJob.self)
    case .stress: try perform(StressJob.self)
    case .watermarkEmbed: try perform(WatermarkEmbedJob.self)
    case .watermarkVerify: try perform(WatermarkVerifyJob.self)
    }
  }

  private func perform<Job: RecipeJob>(_ job: Job.Type) throws {
    try frame.perform(job, recipe, command: "run", options: runOptions.options)
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
  /// - Throws: `ToolError` when the file is missing or a folder, `RecipeError` for an unknown command.
  init(of file: String) throws {
    guard FileManager.default.fileExists(atPath: file) else {
      throw ToolError.missing(file, what: "recipe")
    }
    let text = try TextFile.read(file)
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
