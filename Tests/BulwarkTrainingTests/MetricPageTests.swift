import BulwarkTraining
import Foundation
import Testing

@Suite("The metric dictionary")
struct MetricPageTests {
  /// `Docs/Metrics.md` as it follows from the dictionary.
  private var page: String {
    let words: [MetricDefinition.Direction: String] = [
      .higher: "higher", .lower: "lower", .neutral: "–",
    ]
    let rows = Metric.all.map { metric in
      let good = metric.target ?? words[metric.direction] ?? ""
      let cells = ["`\(metric.name)`", metric.unit, good, metric.formula, metric.source]
      return "| \(cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ")) |"
    }
    return """
      # Metrics

      Every number that tables, JSON results (`metrics.NAME.value`, `.unit`, `.n`) and checkpoints hold, from the dictionary in \
      `Sources/BulwarkTraining/Metrics`. A fraction is a number from 0 to 1; tables print it in percent. Dry runs also give \
      `estimated_seconds` and `estimated_peak_memory`.

      | name | unit | good | how it is computed | source |
      |---|---|---|---|---|
      \(rows.joined(separator: "\n"))

      """
  }

  /// `BULWARK_WRITE_DOCS=1 swift test --filter MetricPageTests` writes the page anew.
  @Test("Docs/Metrics.md tells every metric as the code defines it")
  func isTrue() throws {
    let path = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Docs/Metrics.md").standardized
    if ProcessInfo.processInfo.environment["BULWARK_WRITE_DOCS"] == "1" {
      try page.write(to: path, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: path, encoding: .utf8) == page)
  }

  @Test("No two metrics have one name")
  func names() {
    #expect(Set(Metric.all.map(\.name)).count == Metric.all.count)
  }
}
