import ArgumentParser

/// What every command that makes a recipe of flags takes besides them.
struct RecipeOptions: ParsableArguments {
  @Option(help: "Start from this recipe instead of the defaults.")
  var recipe: String?

  @OptionGroup
  var frame: RecipeFrame

  var output: OutputOptions { frame.output }

  /// Resolves the recipe and does what it says.
  ///
  /// - Parameters:
  ///   - job: what is done.
  ///   - command: its name in results.
  ///   - options: what it is told about its output.
  ///   - settings: further overrides, after those of --set.
  ///   - flags: puts the command's own flags over the recipe.
  /// - Throws: what reading the recipe and the job throw.
  func perform<Job: RecipeJob>(
    _ job: Job.Type, command: String, options: RunOptions, settings: [String] = [],
    flags: (inout Job.Recipe) throws -> Void
  ) throws {
    try frame.perform(
      job, recipe, command: command, options: options, settings: settings, flags: flags)
  }
}

/// What everything that follows a recipe takes: overrides, where it computes, what it says.
struct RecipeFrame: ParsableArguments {
  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Override a setting of the recipe, for example data.limit=1000; repeatable.",
      valueName: "key=value"))
  var overrides: [String] = []

  @OptionGroup(title: "Computing")
  var compute: ComputeOptions

  @OptionGroup(title: "Output")
  var output: OutputOptions

  /// Resolves a recipe and does what it says.
  ///
  /// - Parameters:
  ///   - job: what is done.
  ///   - file: the recipe; nil for the defaults.
  ///   - command: its name in results.
  ///   - options: what it is told about its output.
  ///   - settings: further overrides, after those of --set.
  ///   - flags: puts a command's own flags over the recipe.
  /// - Throws: what reading the recipe and the job throw.
  func perform<Job: RecipeJob>(
    _ job: Job.Type, _ file: String?, command: String, options: RunOptions,
    settings: [String] = [], flags: (inout Job.Recipe) throws -> Void = { _ in }
  ) throws {
    let resolved = try resolved(
      Job.Recipe.self, file, options: options, settings: settings, flags: flags)
    try Job(command: command, resolved: resolved, options: options, console: Console(output))
      .perform()
  }

  /// A recipe with overrides and flags over it.
  ///
  /// - Parameters:
  ///   - recipe: its type.
  ///   - file: a YAML file; nil for the defaults.
  ///   - options: those of the run, of which a seed goes over the recipe.
  ///   - settings: further overrides, after those of --set.
  ///   - flags: puts a command's own flags over the recipe.
  /// - Returns: the checked recipe.
  /// - Throws: what reading the recipe throws.
  func resolved<Recipe: ToolRecipe>(
    _ recipe: Recipe.Type, _ file: String?, options: RunOptions, settings: [String] = [],
    flags: (inout Recipe) throws -> Void
  ) throws -> ResolvedRecipe<Recipe> {
    try ResolvedRecipe<Recipe>(file: file, overrides: overrides + settings) { recipe in
      try flags(&recipe)
      compute.overlay(on: &recipe)
      try options.overlay(on: &recipe)
    }
  }
}
