import BulwarkStore
import Foundation
import Testing

@testable import bulwark

@Suite("bulwark watermark stress --surrogates")
struct StressSurrogatesTests {
  private let attacks = [
    "--attack", "distillation:epochs=3,batch_size=20", "--attack", "quantize-8",
  ]

  private func rows(_ outcome: Tool.Outcome) throws -> [[String: Any]] {
    try #require(outcome.json?["rows"] as? [[String: Any]], "\(outcome.stderr)")
  }

  private func value(_ row: [String: Any], _ metric: String) -> Double? {
    ((row["metrics"] as? [String: [String: Any]])?[metric]?["value"] as? NSNumber)?.doubleValue
  }

  @Test("A run with more null models measures the surrogates of an earlier one and attacks no more")
  func secondRun() async throws {
    let fixture = try await StressFixture(trainsNull: true)
    let first = try await fixture.stress(
      attacks + ["--keep-surrogates", "--out", fixture.file("first"), "--json"])
    #expect(first.status == 0, "\(first.stderr)")
    let further = [
      "--null-model", fixture.file("null") + "/standard.h5", "--surrogates", fixture.file("first"),
      "--out", fixture.file("second"), "--json",
    ]
    let dry = try await fixture.stress(attacks + further + ["--dry-run"])
    #expect(dry.status == 0, "\(dry.stderr)")
    #expect((dry.json?["details"] as? [String: Any])?["earlier_surrogates"] as? Int == 2)
    // Without --resume a run into the same folder begins with an empty one.
    let again = try await fixture.stress(
      attacks + [
        "--keep-surrogates", "--out", fixture.file("first"), "--json", "--dry-run", "--force",
      ])
    #expect((again.json?["details"] as? [String: Any])?["earlier_surrogates"] as? Int == 0)
    let second = try await fixture.stress(attacks + further)
    #expect(second.status == 0, "\(second.stderr)")
    let (before, after) = (try rows(first), try rows(second))
    #expect(before.count == 3 && after.count == 3)
    for (old, new) in zip(before, after).dropFirst() {
      #expect(value(old, "attack_time") == value(new, "attack_time"))
      #expect(value(old, "clean_accuracy") == value(new, "clean_accuracy"))
      #expect(value(old, "p_value") == nil)
      #expect(value(new, "p_value") != nil)
    }
    // Another seed makes another student, and there it is made.
    let other = try await fixture.stress(attacks + further + ["--seed", "7", "--force"])
    #expect(other.status == 0, "\(other.stderr)")
    #expect(!other.stderr.contains("is measured again"), "\(other.stderr)")
    #expect(value(try rows(other)[1], "attack_time") != value(after[1], "attack_time"))
  }

  @Test("A folder without surrogates is refused, and so is the one that would be emptied")
  func refused() async throws {
    let fixture = try await StressFixture()
    let none = try await fixture.stress(
      attacks + ["--surrogates", "/nonexistent", "--out", fixture.file("run")])
    #expect(none.status == 66)
    #expect(none.stderr.contains("/nonexistent/attacks"), "\(none.stderr)")
    let out = fixture.file("run")
    try FileManager.default.createDirectory(
      atPath: out + "/attacks", withIntermediateDirectories: true)
    let itself = try await fixture.stress(attacks + ["--surrogates", out, "--out", out, "--force"])
    #expect(itself.status == 64)
    #expect(itself.stderr.contains("Give another folder with --out"), "\(itself.stderr)")
  }
}
