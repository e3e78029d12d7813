import ArgumentParser

/// `bulwark watermark queries`: the images that a served suspect is asked about.
struct WatermarkQueriesCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "queries",
    abstract: "Write the images that a suspect behind an interface must be asked about.",
    discussion: """
      OUT becomes a folder with queries.h5 (a data set whose labels say nothing) and, with --png, \
      images/000000.png, ... in the same order: ordinary test images and the carriers of the owner's \
      and all foreign keys, shuffled by the secret. Ask the suspect, write its answers as CSV (header \
      'label', or one column of probabilities for each class; a column 'index' allows any order), then: \
      bulwark watermark verify --queries OUT/queries.h5 --answers answers.csv. An opened query set is \
      spent: whoever has seen it can prepare a model for it. Numbers of foreign keys and the data must \
      be those of the verification. Where the owner chose directions (scheme tilted), one more null model \
      chooses those of foreign keys: then its training and draw (--set nulls.training.KEY=... and \
      nulls.draw=...), views and precision must be those of the verification, too.
      """)

  @OptionGroup(title: "Key and data")
  var keyOptions: KeyOptions

  @Flag(help: "Write each image as a PNG file, too.")
  var png = false

  @OptionGroup(title: "Run")
  var runOptions: FolderOptions

  @OptionGroup
  var frame: RecipeOptions

  var output: OutputOptions { frame.output }

  func run() throws {
    let options = runOptions.options
    let resolved = try frame.frame.resolved(
      WatermarkVerifyRecipe.self, frame.recipe, options: options
    ) { recipe in
      keyOptions.overlay(on: &recipe)
    }
    try WatermarkQueriesJob(
      resolved: resolved, options: options, png: png, console: Console(output)
    ).perform()
  }
}
