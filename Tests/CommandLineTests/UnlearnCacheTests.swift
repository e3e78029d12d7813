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

  @Test("A reference that diverges is named, leaves nothing in the cache, and the methods go on")
  func diverges() async throws {
    let fixture = try await UnlearnFixture()
    let outcome = try await fixture.tool(
      "unlearn", "--recipe", fixture.recipe, "--method", "ft", "--reference", "retrain", "--set",
      "training=recipe", "--set", "retrain.epochs=2", "--set", "retrain.learning_rate=1e17",
      "--set", "checkpoint_interval=0", "--set", "relearning.enabled=false", "--out",
      fixture.out("run"), "--json")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let rows = try #require(outcome.json?["rows"] as? [[String: Any]])
    #expect(rows.map { $0["name"] as? String } == ["original", "ft"])
    let text = try String(contentsOfFile: fixture.out("run") + "/forgetting.json", encoding: .utf8)
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    let failures = try #require(report["failures"] as? [[String: Any]])
    #expect(failures.map { $0["name"] as? String } == ["retrain"])
    let kept = (try? FileManager.default.contentsOfDirectory(atPath: fixture.out("cache"))) ?? []
    #expect(kept.allSatisfy { !$0.hasSuffix(".h5") }, "\(kept)")
  }

  @Test("An original that was trained without random views is unlearned without them")
  func withoutViews() async throws {
    let fixture = try await UnlearnFixture()
    /// What the model answers to every sample, as the report has it.
    func answers(_ name: String, _ settings: String...) async throws -> NSObject {
      let out = fixture.out(name)
      let outcome = try await fixture.tool.start(
        ["unlearn", "--recipe", fixture.recipe, "--method", "ft", "--set", "training=recipe"]
          + settings.flatMap { ["--set", $0] } + [
            "--set", "relearning.enabled=false", "--out", out,
          ]
      ).outcome()
      try #require(outcome.status == 0, "\(outcome.stderr)")
      let text = try String(contentsOfFile: out + "/forgetting.json", encoding: .utf8)
      let report = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
      let rows = try #require(report?["rows"] as? [[String: Any]])
      let own = try #require(rows.first { $0["name"] as? String == "ft" })
      return try #require(own["samples"] as? NSObject)
    }
    let usual = try await answers("usual")
    let plain = try await answers("plain", "retrain.augment=false")
    #expect(plain != usual)
    #expect(try await plain == answers("method", "settings.ft.training.augment=false"))
  }
}
