import BulwarkStore
import Foundation
import Testing

@Suite("bulwark unlearn --shadows")
struct ShadowAuditTests {
  private static let settings = [
    "--set", "relearning.enabled=false", "--set", "training=recipe",
    "--set", "augmentation={padding: 1, flip: false}",
  ]

  /// What bash's `time` says of a run of the tool, in seconds.
  private func timed(_ arguments: [String]) async throws -> (
    wall: Double, processor: Double, json: [String: Any]
  ) {
    let outcome = try await Tool().start(
      ["-c", #"TIMEFORMAT="%R %U %S"; time "$0" "$@""#, Tool.path] + arguments, with: "/bin/bash"
    ).outcome()
    try #require(outcome.status == 0, "\(outcome.stderr)")
    let numbers = try #require(outcome.stderr.split(separator: "\n").last).split(separator: " ")
      .compactMap { Double($0) }
    try #require(numbers.count == 3)
    return (numbers[0], numbers[1] + numbers[2], try #require(outcome.json))
  }

  @Test("Retrain's own audit has a row and its counts, also where Retrain is no reference")
  func retrainRow() async throws {
    let fixture = try await UnlearnFixture()
    let out = fixture.out("run")
    let outcome = try await fixture.tool.start(
      [
        "unlearn", "--recipe", fixture.recipe, "--shadows", "6", "--out", out, "--set",
        "retrain={epochs: 2, batch_size: 50, learning_rate: 0.05}",
      ] + Self.settings
    ).outcome()
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let lines = outcome.stdout.split(separator: "\n")
    #expect(lines.contains { $0.hasPrefix("retrain ") }, "\(outcome.stdout)")
    // Nothing of Retrain but the audit was measured, so there is no distance to it.
    #expect(lines.first { $0.contains("U-LiRA AUC") }?.contains("Avg Gap") == false)

    let report = try JSONValue(
      parsing: String(contentsOfFile: out + "/forgetting.json", encoding: .utf8))
    guard case .array(let rows)? = report["rows"] else {
      Issue.record("the report has no rows")
      return
    }
    #expect(
      rows.compactMap { $0["name"]?.stringValue } == [
        "original", "salun", "before unlearning (U-LiRA)", "retrain (U-LiRA)", "salun (U-LiRA)",
      ])
    let retrain = try #require(rows.first { $0["name"] == "retrain (U-LiRA)" })
    for name in ["ulira_auc", "ulira_tpr_at_1pct_fpr", "ulira_tpr_at_0_1pct_fpr"] {
      #expect(retrain["measures"]?[name]?["value"] != nil, "\(name)")
    }
    // 40 of 200 samples are audited by 6 shadows, each of which unlearns half of them.
    #expect(retrain["forget_set"]?["samples"] == 40)
    #expect(report["ulira"]?["retrain"]?["unlearned"] == 120)
    // Six shadows have no error of their own.
    #expect(report["ulira"]?["retrain"]?["auc_error"] == .null)
    #expect(lines.contains { $0.hasPrefix("U-LiRA, salun: AUC ") }, "\(outcome.stdout)")
    #expect(report["ulira"]?["retrain"]?["unseen"] == 120)
    for rate in ["at_fpr_0.01", "at_fpr_0.001"] {
      for count in ["true_positives", "false_positives"] {
        #expect(report["ulira"]?["retrain"]?[rate]?[count] != nil, "\(rate) \(count)")
      }
    }
    #expect(FileManager.default.fileExists(atPath: out + "/forgetting.h5"))
  }

  /// Other programs on the machine slow the estimate and the run by different factors. So the run is
  /// taken in seconds of the processor, which is what a free machine's clock shows with one thread.
  /// The few steps that were timed were slowed by a factor between 1 and that of the whole estimate.
  @Test("--dry-run counts every shadow and every row on it, within a factor of two")
  func dryRun() async throws {
    let fixture = try await UnlearnFixture()
    let arguments =
      [
        "unlearn", "--recipe", fixture.recipe, "--shadows", "6", "--out", fixture.out("run"),
        "--json", "--quiet", "--set", "retrain={epochs: 16, batch_size: 20, learning_rate: 0.05}",
        "--set", "settings.salun.training={epochs: 4, batch_size: 20}",
      ] + Self.settings
    let dry = try await timed(arguments + ["--dry-run"])
    #expect(!FileManager.default.fileExists(atPath: fixture.out("cache")))
    let details = try #require(dry.json["details"] as? [String: Any])
    let estimates = try #require(details["estimates"] as? [[String: Any]])
    #expect(
      estimates.compactMap { $0["name"] as? String } == [
        "salun", "shadow: training", "shadow: retrain", "shadow: salun", "shadow: attack",
      ])
    #expect(estimates.dropFirst().allSatisfy { $0["runs"] as? Int == 6 })
    let metrics = try #require(dry.json["metrics"] as? [String: [String: Any]])
    let wall = try #require(metrics["estimated_seconds"]?["value"] as? Double)
    let least = wall * min(1, dry.processor / dry.wall)
    let real = try await timed(arguments)
    #expect(
      wall > real.processor / 2 && least < real.processor * 2,
      "estimated \(least) to \(wall) s, took \(real.processor) s of the processor")
  }
}
