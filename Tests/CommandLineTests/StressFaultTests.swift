import Foundation
import Testing

@Suite("Stress runs in which something cannot be done")
struct StressFaultTests {
  private static let nulls = [
    "--nulls", "1", "--set", "nulls.training={epochs: 1, batch_size: 50}",
  ]

  @Test("Null models that cannot be made leave their surrogates unjudged, and the attacks go on")
  func nullModels() async throws {
    let fixture = try await StressFixture()
    // Five poolings of an image of 16 pixels leave nothing.
    let deep = "distillation:family=vgg16_bn,width=2,epochs=1"
    let outcome = try await fixture.stress(
      Self.nulls + [
        "--cache", fixture.file("cache"), "--attack", deep, "--attack", "prune-0.1", "--out",
        fixture.file("run"), "--json",
      ])
    #expect(outcome.status == 0, "\(outcome.stderr)")
    #expect(outcome.stderr.contains("surrogates of vgg16_bn, width 2 are not judged"))
    let rows = try #require(outcome.json?["rows"] as? [[String: Any]])
    #expect(rows.map { $0["name"] as? String } == ["none", "prune-0.1"])
    let details = try #require(outcome.json?["details"] as? [String: Any])
    let failures = try #require(details["failures"] as? [[String: String]])
    #expect(failures.map { $0["attack"] } == [deep])
    let populations = try #require(details["null_models"] as? [[String: Any]])
    #expect(populations.map { $0["count"] as? Int } == [1, 0])
    #expect(populations.map { $0["failure"] != nil } == [false, true])
  }

  @Test("A model without a place for the mark ends the run with 2, as it ends a verification")
  func noPlace() async throws {
    let fixture = try await StressFixture()
    let host = fixture.file("host")
    let task = [
      "--data", "digits", "--limit", "200", "--threads", "1", "--precision", "fp32", "--set",
      "data.test_limit=60",
    ]
    let embedded = try await fixture.tool.start(
      [
        "watermark", "embed", "--scheme", "uchida", "--owner", "Ada", "--epochs", "1", "--set",
        "training.batch_size=50", "--set", "model={family: small_cnn, width: 4}", "--set",
        "watermark.uchida.bits=16", "--out", host, "--quiet",
      ] + task
    ).outcome()
    try #require(embedded.status == 0, "\(embedded.stderr)")
    // The model of the fixture is of width 6.
    let outcome = try await fixture.tool.start(
      [
        "watermark", "stress", "--checkpoint", fixture.file("marked") + "/standard.h5", "--key",
        host + "/key.json", "--foreign-keys", "3", "--cache", fixture.file("cache"), "--attack",
        "prune-0.1", "--out", fixture.file("run"), "--json", "--quiet",
      ] + Self.nulls + task
    ).outcome()
    #expect(outcome.status == 2, "\(outcome.stderr)")
    let details = try #require(outcome.json?["details"] as? [String: Any])
    let verdict = try #require(details["verdict"] as? String)
    #expect(verdict.contains("no place for this mark") && !verdict.contains("null models"))
    #expect(details["model_has_place_for_mark"] as? Bool == false)
  }

  @Test("--force leaves no result of the run before, also where the new one is stopped")
  func force() async throws {
    let fixture = try await StressFixture()
    let out = fixture.file("run")
    let first = try await fixture.stress(["--attack", "prune-0.1", "--out", out, "--quiet"])
    #expect(first.status == 0, "\(first.stderr)")
    #expect(FileManager.default.fileExists(atPath: out + "/result.json"))
    let second = try fixture.tool.start(
      fixture.base + [
        "--attack", "distillation:epochs=1000,batch_size=20", "--out", out, "--force",
      ])
    try await second.wait(for: "stress: distillation")
    second.send(SIGTERM)
    let stopped = try await second.outcome()
    #expect(stopped.status == 75, "\(stopped.stderr)")
    for name in ["result.json", "stress.json", "stress.svg"] {
      #expect(!FileManager.default.fileExists(atPath: out + "/" + name), "\(name)")
    }
  }
}
