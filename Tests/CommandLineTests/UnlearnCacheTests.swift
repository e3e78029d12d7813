import Foundation
import Testing

@Suite("The references that bulwark unlearn keeps")
struct UnlearnCacheTests {
  private static let time = "unlearning_time"
  private static let share = "unlearning_time_share"

  @Test("One that other threads trained is not taken; where its time is lost, none is told")
  func identity() async throws {
    let fixture = try await UnlearnFixture()
    func metrics(_ name: String, _ more: String...) async throws -> [String: [String: Any]] {
      let outcome = try await fixture.tool.start(
        [
          "unlearn", "--recipe", fixture.recipe, "--method", "ft", "--reference", "retrain",
          "--set", "relearning.enabled=false", "--out", fixture.out(name), "--json", "--quiet",
        ] + more
      ).outcome()
      try #require(outcome.status == 0, "\(outcome.stderr)")
      let rows = try #require(outcome.json?["rows"] as? [[String: Any]])
      var found: [String: [String: Any]] = [:]
      for row in rows {
        let name = try #require(row["name"] as? String)
        found[name] = row["metrics"] as? [String: Any]
      }
      return found
    }
    func cached(_ ending: String) throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: fixture.out("cache"))
        .filter { $0.hasSuffix(ending) }
    }
    let first = try await metrics("first")
    #expect(first["retrain"]?[Self.time] != nil && first["ft"]?[Self.share] != nil)
    #expect(try cached(".h5").count == 1)
    _ = try await metrics("threads", "--threads", "2")
    #expect(try cached(".h5").count == 2)

    for name in try cached(".costs.json") {
      try FileManager.default.removeItem(atPath: fixture.out("cache") + "/" + name)
    }
    let lost = try await metrics("lost")
    #expect(try cached(".h5").count == 2)
    #expect(lost["retrain"]?["retain_accuracy"] != nil && lost["retrain"]?[Self.time] == nil)
    #expect(lost["ft"]?[Self.time] != nil && lost["ft"]?[Self.share] == nil)
  }
}
