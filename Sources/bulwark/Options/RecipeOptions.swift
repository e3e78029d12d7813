import ArgumentParser

/// What every command that makes a recipe of flags takes besides them.
struct RecipeOptions: ParsableArguments {
  @Option(help: "Start from this recipe instead of the defaults.")
  var recipe: String?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Override a setting of the recipe, for example data.limit=1000; repeatable.",
      valueName: "key=value"))
  var overrides: [String] = []

  @OptionGroup(title: "Run")
  var options: RunOptions

  @OptionGroup(title: "Computing")
  var compute: ComputeOptions

  @OptionGroup(title: "Output")
  var output: OutputOptions

  /// Resolves the recipe and does what it says.
  ///
  /// - Parameters:
  ///   - job: what is done.
  ///   - command: its name in results.
  ///   - settings: further overrides, after those of --set.
  ///   - flags: puts the command's own flags over the recipe.
  /// - Throws: what reading the recipe and the job throw.
  func perform<Job: RecipeJob>(
    _ job: Job.Type, command: String, settings: [String] = [],
    flags: (inout Job.Recipe) throws -> Void
  ) throws {
    let resolved = try ResolvedRecipe<Job.Recipe>(file: recipe, overrides: overrides + settings) {
      recipe in
      try flags(&recipe)
      compute.overlay(on: &recipe)
      options.overlay(on: &recipe)
    }
    try Job(command: command, resolved: resolved, options: options, console: Console(output))
      .perform()
  }
}
