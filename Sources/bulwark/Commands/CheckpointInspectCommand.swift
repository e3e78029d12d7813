import ArgumentParser
import BulwarkStore

/// `bulwark checkpoint inspect`: what a checkpoint holds and where it comes from.
struct CheckpointInspectCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show the contents and the provenance of a checkpoint.")

  @Argument(help: "The checkpoint.")
  var path: String

  @Flag(help: "Read a file that another program has edited since it was written.")
  var edited = false

  @OptionGroup(title: "Output")
  var output: OutputOptions

  func run() throws {
    let console = Console(output)
    let summary = try Checkpoint.inspectSummary(path, policy: edited ? .edited : .required)
    var result = ResultObject(command: "checkpoint inspect")
    result.inputs = ["checkpoint": .string(path), "checkpoint_digest": .string(summary.digest)]
    result.recipe = summary.recipeDigest.map { "sha256:" + $0 }
    guard case .object(let details) = try JSONValue(encoding: summary) else {
      preconditionFailure("a summary is encoded as a JSON object")
    }
    result.details = details
    try console.finish(result) { try lines(summary) }
  }

  private func lines(_ summary: Checkpoint.Summary) throws -> [String] {
    let progress = summary.progress
    var facts = Table("what", "value")
    facts.rows = [
      ["format", "bulwark.checkpoint \(summary.formatVersion), code \(summary.codeVersion)"],
      ["digest", summary.digest + (summary.isSealed ? "" : " (edited since it was written)")],
      ["size", "\(spokenBytes(summary.fileBytes)), tensors \(spokenBytes(summary.tensorBytes))"],
      ["architecture", try summary.architecture.text()],
      ["weights", "\(summary.weights.count) tensors, \(summary.parameterCount) numbers"],
      ["optimizer", "\(summary.optimizerTensors) tensors"],
      ["classes", summary.classNames.joined(separator: ", ")],
      [
        "progress",
        "stage \(progress.stage), epoch \(progress.epoch), step \(progress.step), "
          + "seed \(progress.seed)",
      ],
      ["recipe", summary.recipeDigest ?? "–"],
    ]
    facts.rows += summary.fingerprints.sorted { $0.key < $1.key }
      .map { ["data \($0.key)", $0.value] }
    facts.rows += summary.indexSets.sorted { $0.key < $1.key }
      .map { ["index set \($0.key)", "\($0.value) samples"] }
    guard !summary.history.isEmpty else { return facts.lines() }
    var history = Table("metric", "unit", "values", "last step", "last value")
    history.rows = summary.history.map { series in
      [
        series.name, series.unit, String(series.count), series.lastStep.map(String.init) ?? "–",
        series.lastValue.map { String($0) } ?? "–",
      ]
    }
    return facts.lines() + [""] + history.lines()
  }
}
