import ArgumentParser

/// `bulwark checkpoint`: what concerns stored models.
struct CheckpointCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checkpoint",
    abstract: "Inspect, verify, import and export checkpoints.",
    subcommands: [
      CheckpointInspectCommand.self, CheckpointVerifyCommand.self, CheckpointImportCommand.self,
      CheckpointExportCommand.self,
    ])
}
