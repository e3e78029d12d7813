import ArgumentParser
import BulwarkStore
import BulwarkTraining

/// `bulwark summarize`: mean and standard deviation over runs of one recipe.
struct SummarizeCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "summarize",
    abstract: "Mean ± standard deviation over runs that differ in nothing but the seed.",
    discussion: """
      The deviation is that of a sample (n − 1). Runs with other settings or with a seed that \
      occurs twice are refused.
      """)

  @Argument(help: "Folders of finished runs.")
  var runs: [String]

  @OptionGroup(title: "Output")
  var output: OutputOptions

  /// The values of one metric of one model, run by run.
  private struct Series {
    var unit: String
    var values: [Double]
    var samples: Int?

    var mean: Double { values.reduce(0, +) / Double(values.count) }

    /// nil for a single value.
    var deviation: Double? {
      guard values.count > 1 else { return nil }
      let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      return (squares / Double(values.count - 1)).squareRoot()
    }

    var spoken: String {
      let scale = unit == "fraction" ? 100.0 : 1
      func rounded(_ value: Double) -> String { "\((value * scale * 10).rounded() / 10)" }
      let spread = deviation.map { " ± " + rounded($0) } ?? ""
      return rounded(mean) + spread + (unit == "fraction" ? " %" : " " + unit)
    }
  }

  func run() throws {
    let console = Console(output)
    let finished = try runs.map(FinishedRun.init)
    try check(finished)
    let names = finished[0].rows.map(\.name)
    var table = Table(header: ["metric"] + names)
    var result = ResultObject(command: "summarize")
    var rows: [ResultObject.Row] = names.map { .init(name: $0, metrics: [:]) }
    var details: [String: JSONValue] = [:]
    for metric in Metric.all.map(\.name) {
      let cells = names.map { series(metric, row: $0, in: finished) }
      guard cells.contains(where: { $0 != nil }) else { continue }
      table.rows.append([metric] + cells.map { $0?.spoken ?? "–" })
      for (index, cell) in cells.enumerated() {
        guard let cell else { continue }
        rows[index].metrics[metric] = ResultMetric(cell.mean, unit: cell.unit, n: cell.samples)
        details["\(names[index])/\(metric)"] = [
          "standard_deviation": cell.deviation.map(JSONValue.double) ?? .null,
          "values": .array(cell.values.map(JSONValue.double)),
        ]
      }
    }
    let seeds = finished.map(\.seed)
    details["seeds"] = .array(seeds.map(JSONValue.string))
    result.rows = rows
    result.inputs = ["runs": .array(runs.map(JSONValue.string))]
    result.details = details
    try console.finish(result) {
      table.lines() + ["", "\(seeds.count) runs, seeds \(seeds.joined(separator: ", "))"]
    }
  }

  private func series(_ metric: String, row: String, in runs: [FinishedRun]) -> Series? {
    let found = runs.compactMap { $0.rows.first { $0.name == row }?.metrics[metric] }
    let values = found.compactMap(\.value)
    guard values.count == runs.count, let first = found.first else { return nil }
    return Series(unit: first.unit, values: values, samples: first.n)
  }

  /// Runs must share their settings and differ in their seeds.
  private func check(_ runs: [FinishedRun]) throws {
    for run in runs.dropFirst() where run.settings != runs[0].settings {
      let pairs = zip(runs[0].settings, run.settings).filter { $0 != $1 }.prefix(2)
      let shown = pairs.map {
        "'\($0.trimmingCharacters(in: .whitespaces))' against "
          + "'\($1.trimmingCharacters(in: .whitespaces))'"
      }
      throw ToolError.usage(
        "'\(run.folder)' has other settings than '\(runs[0].folder)': "
          + (shown.isEmpty ? "a list has another length" : shown.joined(separator: ", ")) + ".",
        remedy: "Summarize runs of one recipe that differ in their seeds.")
    }
    if let twice = runs.first(where: { run in runs.count { $0.seed == run.seed } > 1 }) {
      throw ToolError.usage(
        "Seed \(twice.seed) occurs twice.", remedy: "Give every run once, each with its own --seed."
      )
    }
  }
}
