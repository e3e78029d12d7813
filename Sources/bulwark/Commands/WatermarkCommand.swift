import ArgumentParser

/// `bulwark watermark`: ownership watermarks in models.
struct WatermarkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watermark",
    abstract: "Mark a model, and show that a suspect was derived from it.",
    subcommands: [
      WatermarkEmbedCommand.self, WatermarkQueriesCommand.self, WatermarkVerifyCommand.self,
      WatermarkStressCommand.self,
    ])
}
