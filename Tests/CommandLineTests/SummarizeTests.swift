import Foundation
import Testing

@Suite("bulwark summarize")
struct SummarizeTests {
  let tool = Tool()

  /// A run folder with one row of one metric.
  private func run(
    _ folder: TemporaryFolder, _ name: String, seed: Int, accuracy: Double, epochs: Int = 2
  ) throws -> String {
    let path = folder.file(name)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try "command: train\nseed: \(seed)\nepochs: \(epochs)\n".write(
      toFile: path + "/recipe.yaml", atomically: true, encoding: .utf8)
    try """
    {"schema":"bulwark.result/1","rows":[{"name":"dbd","metrics":{"clean_accuracy":\
    {"value":\(accuracy),"unit":"fraction","n":60}}}]}
    """.write(toFile: path + "/result.json", atomically: true, encoding: .utf8)
    return path
  }

  @Test("Three runs give their mean and the deviation of a sample")
  func meanAndDeviation() async throws {
    let folder = try TemporaryFolder()
    let runs = try [(1, 0.9), (2, 0.92), (3, 0.97)].map {
      try run(folder, "run\($0.0)", seed: $0.0, accuracy: $0.1)
    }
    let outcome = try await tool.start(["summarize"] + runs + ["--json"]).outcome()
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let rows = try #require(outcome.json?["rows"] as? [[String: Any]])
    let metrics = try #require(rows.first?["metrics"] as? [String: [String: Any]])
    let mean = try #require(metrics["clean_accuracy"]?["value"] as? Double)
    #expect(abs(mean - 0.93) < 1e-12)
    let details = try #require(outcome.json?["details"] as? [String: Any])
    let accuracy = try #require(details["dbd/clean_accuracy"] as? [String: Any])
    let deviation = try #require(accuracy["standard_deviation"] as? Double)
    #expect(abs(deviation - 0.0013.squareRoot()) < 1e-9)
    let text = try await tool.start(["summarize"] + runs).outcome()
    #expect(text.stdout.contains("93.0 ± 3.6 %"))
    #expect(text.stdout.contains("3 runs, seeds 1, 2, 3"))
  }

  @Test("Runs with other settings, a seed given twice and unfinished runs are refused")
  func refused() async throws {
    let folder = try TemporaryFolder()
    let first = try run(folder, "a", seed: 1, accuracy: 0.9)
    let other = try run(folder, "b", seed: 2, accuracy: 0.9, epochs: 3)
    let same = try run(folder, "c", seed: 1, accuracy: 0.9)
    let settings = try await tool("summarize", first, other)
    #expect(settings.status == 64)
    #expect(settings.stderr.contains("'epochs: 2' against 'epochs: 3'"))
    let seeds = try await tool("summarize", first, same)
    #expect(seeds.status == 64)
    #expect(seeds.stderr.contains("Seed 1 occurs twice"))
    let missing = try await tool("summarize", folder.file("none"))
    #expect(missing.status == 66)
  }
}
