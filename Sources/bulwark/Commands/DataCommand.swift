import ArgumentParser

/// `bulwark data`: what concerns data sets.
struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Inspect and poison data sets.",
    subcommands: [DataInspectCommand.self, DataPoisonCommand.self])
}
