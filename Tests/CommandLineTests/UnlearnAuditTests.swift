import BulwarkStore
import BulwarkTraining
import Foundation
import Testing

@testable import bulwark

@Suite("bulwark unlearn --shadows, beside and after what else is measured")
struct UnlearnAuditTests {
  private static let settings = [
    "--set", "relearning.enabled=false", "--set", "training=recipe", "--set",
    "augmentation={padding: 1, flip: false}",
  ]

  private func report(_ folder: String) throws -> JSONValue {
    try JSONValue(parsing: String(contentsOfFile: folder + "/forgetting.json", encoding: .utf8))
  }

  /// Files of the cache whose names begin with one of some words.
  private func cached(_ fixture: UnlearnFixture, _ kinds: String...) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: fixture.out("cache")).filter { name in
      kinds.contains { name.hasPrefix($0 + "-") }
    }
  }

  @Test("An audit has rows and samples of its own; a method that diverges leaves, the others stay")
  func rows() async throws {
    let fixture = try await UnlearnFixture()
    func audit(_ name: String, _ methods: [String]) async throws -> Tool.Outcome {
      let outcome = try await fixture.tool.start(
        [
          "unlearn", "--recipe", fixture.recipe, "--forget", "class:7", "--shadows", "8", "--out",
          fixture.out(name), "--json", "--set", "audit.retrain_shadows=6", "--set",
          "settings.ga.training.learning_rate=1e17", "--set",
          "retrain={epochs: 2, batch_size: 50, learning_rate: 0.05}",
        ] + methods.flatMap { ["--method", $0] } + Self.settings
      ).outcome()
      try #require(outcome.status == 0, "\(outcome.stderr)")
      return outcome
    }
    let outcome = try await audit("first", ["ft", "ga"])
    for progress in ["training: supervised", "ft: ft", "retrain: supervised"] {
      #expect(outcome.stderr.contains("shadow 1, \(progress)"), "\(progress)")
    }
    let report = try report(fixture.out("first"))
    guard case .array(let rows)? = report["rows"], case .array(let failures)? = report["failures"]
    else {
      Issue.record("the report has no rows or no failures")
      return
    }
    let names = ["before unlearning (U-LiRA)", "retrain (U-LiRA)", "ft (U-LiRA)"]
    #expect(rows.compactMap { $0["name"]?.stringValue } == ["original", "ft"] + names)
    let areas = rows.map { $0["measures"]?["ulira_auc"]?["unit"]?.stringValue }
    #expect(areas == [nil, nil, "fraction", "fraction", "fraction"])
    for row in rows.prefix(2) { #expect(row["forget_set"]?["origin"] == "class 7") }
    // 40 of 200 samples are audited.
    for row in rows.dropFirst(2) { #expect(row["forget_set"]?["samples"] == 40) }
    #expect(failures.map { $0["name"]?.stringValue } == ["ga", "ga (U-LiRA)"])
    #expect(failures.last?["reason"]?.stringValue?.hasPrefix("in shadow 1 the ") == true)
    // 20 samples are unlearned on each of 8 shadows, of which Retrain is trained on 6.
    let counts = ["original", "ft", "retrain", "ga"].map { name in
      try? report["ulira"]?[name]?["unlearned"]?.decode(as: Int.self)
    }
    #expect(counts == [160, 160, 120, nil])
    #expect(try cached(fixture, "retrain").count == 6)

    // Where all answers are in the cache, neither shadows nor references are trained again.
    for name in try cached(fixture, "shadow", "retrain") {
      try FileManager.default.removeItem(atPath: fixture.out("cache") + "/" + name)
    }
    _ = try await audit("again", ["ft"])
    #expect(try cached(fixture, "shadow", "retrain").isEmpty)
    #expect(try self.report(fixture.out("again"))["ulira"] == report["ulira"])
  }

  @Test("An audit that is interrupted leaves the report of everything else behind")
  func interrupted() async throws {
    let fixture = try await UnlearnFixture()
    let out = fixture.out("run")
    let running = try fixture.tool.start(
      [
        "unlearn", "--recipe", fixture.recipe, "--method", "ft", "--shadows", "6", "--out", out,
        "--set", "retrain={epochs: 1000, batch_size: 50, learning_rate: 0.05}",
      ] + Self.settings)
    try await running.wait(for: "shadow 1, training")
    running.send(SIGTERM)
    let outcome = try await running.outcome()
    #expect(outcome.status == 75, "\(outcome.stderr)")
    #expect(outcome.stderr.contains("interrupted in shadow 1, training"))
    guard case .array(let rows)? = try report(out)["rows"] else {
      Issue.record("the report has no rows")
      return
    }
    #expect(rows.compactMap { $0["name"]?.stringValue } == ["original", "ft"])
    for name in ["forgetting.h5", "result.json"] {
      #expect(FileManager.default.fileExists(atPath: out + "/" + name), "\(name)")
    }
  }

  @Test("--dry-run counts Retrain on as many shadows as it is audited on")
  func dryRun() async throws {
    let fixture = try await UnlearnFixture()
    let outcome = try await fixture.tool.start(
      [
        "unlearn", "--recipe", fixture.recipe, "--method", "ft", "--shadows", "8", "--out",
        fixture.out("never"), "--dry-run", "--json", "--set", "audit.retrain_shadows=6", "--set",
        "retrain={epochs: 2, batch_size: 50, learning_rate: 0.05}",
      ] + Self.settings
    ).outcome()
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let details = try #require(outcome.json?["details"] as? [String: Any])
    let estimates = try #require(details["estimates"] as? [[String: Any]])
    let runs = estimates.dropFirst().map { $0["runs"] as? Int }
    #expect(runs == [8, 6, 8, 8])
  }

  @Test("Retrain is audited on all shadows or on an even number of them, at least six")
  func retrainShadows() throws {
    func read(_ shadows: Int, _ retrain: Int) throws {
      _ = try ResolvedRecipe<UnlearnRecipe>(
        file: nil,
        overrides: [
          "checkpoint=model.h5", "forget=class:1", "audit.shadows=\(shadows)",
          "audit.retrain_shadows=\(retrain)",
        ]
      ) { _ in }
    }
    for (shadows, retrain) in [(0, 0), (16, 0), (16, 6), (16, 16)] { try read(shadows, retrain) }
    for (shadows, retrain) in [(0, 6), (16, 4), (16, 7), (16, 18)] {
      let error = #expect(throws: RecipeError.self) { try read(shadows, retrain) }
      #expect(error?.summary.contains("audit.retrain_shadows") == true, "\(shadows), \(retrain)")
    }
  }
}
