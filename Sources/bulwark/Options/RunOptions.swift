import ArgumentParser

/// What a command writes, and whether it goes on from an earlier run.
struct RunOptions: ParsableArguments {
  @Option(help: "Folder for everything that is written; default: one below runs/.")
  var out: String?

  @Flag(help: "Replace what exists.")
  var force = false

  @Flag(help: "Continue the run in --out from its last checkpoint.")
  var resume = false

  @Option(
    help: ArgumentHelp(
      "Only train and run with DBD: start where this checkpoint of another run was written (dbd-before-head.h5 or "
        + "dbd-before-semi_supervision.h5): settings of later stages may differ.",
      valueName: "checkpoint"))
  var from: String?

  @Flag(help: "Check everything and estimate time and memory; train nothing.")
  var dryRun = false

  @Option(help: "Seed of all randomness; default: the recipe's.")
  var seed: UInt64?

  @Flag(help: "Leave out bad image files with a counted warning instead of stopping.")
  var skipBad = false

  func validate() throws {
    if force && resume {
      throw ValidationError("--force and --resume exclude each other; give one of them.")
    }
    if from != nil && resume {
      throw ValidationError("--from and --resume exclude each other; give one of them.")
    }
  }

  /// Puts what was given over a recipe.
  ///
  /// - Throws: `ToolError.usage` for a seed where nothing hangs on one.
  func overlay(on recipe: inout some ToolRecipe) throws {
    if let seed { try recipe.take(seed: seed) }
  }

  /// Only `train` has stages to start from.
  ///
  /// - Throws: `ToolError.usage` when --from was given.
  func refuseOrigin(remedy: String) throws {
    guard from == nil else {
      throw ToolError.usage(
        "--from starts DBD from a stage of another run and has no meaning here.", remedy: remedy)
    }
  }
}
