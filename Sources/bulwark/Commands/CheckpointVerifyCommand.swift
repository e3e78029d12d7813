import ArgumentParser
import BulwarkStore

/// `bulwark checkpoint verify`: whether a file is exactly what was written.
struct CheckpointVerifyCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check the integrity of a checkpoint or a Bulwark data set; exit code 2 if damaged.")

  @Argument(help: "The file.")
  var path: String

  @OptionGroup(title: "Output")
  var output: OutputOptions

  func run() throws {
    let console = Console(output)
    let verification = try Verification.of(path)
    var result = ResultObject(command: "checkpoint verify")
    result.inputs = ["checkpoint": .string(path)]
    result.details = [
      "intact": .bool(verification.isIntact),
      "checked_datasets": .int(verification.checkedDatasets),
      "file_bytes": .int(verification.fileBytes),
      "problems": .array(verification.problems.map { .string($0.summary) }),
    ]
    try console.finish(result) {
      verification.isIntact
        ? [
          "\(path) is intact: the digest of the file and of \(verification.checkedDatasets) "
            + "data sets is the stored one."
        ]
        : ["\(path) is not what was written:"] + verification.problems.map { "  " + $0.summary }
    }
    if !verification.isIntact { throw EarlyExit(status: .negative, message: nil) }
  }
}
