import BulwarkData
import BulwarkStore
import BulwarkTraining
import BulwarkWatermark
import Foundation
import Testing

@testable import bulwark

@Suite("Keys whose directions were chosen")
struct WatermarkChoiceTests {
  private let network = ["--set", "nulls.family=small_cnn", "--set", "nulls.width=6"]
  private let nulls = [
    "--set", "nulls.training={epochs: 4, batch_size: 25, learning_rate: 0.05}", "--foreign-keys",
    "29", "--set", "augmentation={padding: 1, flip: false}", "--precision", "fp32", "--threads",
    "1", "--limit", "200", "--set", "data.test_limit=60",
  ]
  /// In all, as many as a removal suite knows.
  private let keys = ["--suspect-keys", "29"]

  private func choosing(_ fixture: WatermarkFixture) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: fixture.out("cache"))
      .filter { $0.hasSuffix("-choosing.h5") || $0.hasPrefix("foreign-") }.sorted()
  }

  @Test(
    "One more unmarked model chooses for foreign keys, in queries, verify and stress alike, once")
  func foreignKeys() async throws {
    let fixture = try WatermarkFixture()
    let run = fixture.out("run")
    let embedded = try await fixture.tool(
      "watermark", "embed", "--recipe", fixture.recipe, "--scheme", "tilted", "--out", run,
      "--json",
      "--quiet")
    #expect(embedded.status == 0, "\(embedded.stderr)")
    let details = try #require(embedded.json?["details"] as? [String: Any])
    let commitment = try #require(details["commitment"] as? String)
    let judge = ["--key", run + "/key.json", "--cache", fixture.out("cache")]

    let wide = try await fixture.tool.start(
      [
        "watermark", "embed", "--recipe", fixture.recipe, "--scheme", "tilted", "--out",
        run + "-wide",
        "--dry-run", "--set", "watermark.tilted.candidates=17",
      ]
    ).outcome()
    #expect(wide.stderr.contains("counts as chosen"), "\(wide.stderr)")
    // All carriers are counted, the marked ones among them.
    let counted = try #require(embedded.json?["metrics"] as? [String: [String: Any]])
    let carriers = try #require(try WatermarkKey(reading: run + "/key.json").carriers())
    #expect(carriers.kinds.count == 2)
    #expect(counted["carrier_accuracy"]?["n"] as? Int == carriers.count)
    #expect(!embedded.stderr.contains("counts as chosen"))

    // A served suspect, whose network need not be named for its queries; nothing is trained for a dry run.
    let queries = ["watermark", "queries", "--out", fixture.out("queries")] + judge
    let dry = try await fixture.tool.start(queries + nulls + keys + ["--dry-run"]).outcome()
    #expect(dry.status == 0, "\(dry.stderr)")
    #expect(!FileManager.default.fileExists(atPath: fixture.out("cache")))
    let asked = try await fixture.tool.start(queries + nulls + keys).outcome()
    #expect(asked.status == 0, "\(asked.stderr)")
    let made = try choosing(fixture)
    #expect(made.count == 2, "\(made)")

    let images = try DataSource.load(fixture.out("queries") + "/queries.h5").train
    let loaded = try LoadedModel(run + "/model.h5", device: .cpu)
    let values = try loaded.model.logits(
      of: images, loaded.normalization, session: TrainingSession(seed: 0)
    ).softmax(1).floats()
    let rows = stride(from: 0, to: values.count, by: 10).map { start in
      values[start..<start + 10].map { "\($0)" }.joined(separator: ",")
    }
    let head = (0..<10).map { "p\($0)" }.joined(separator: ",")
    try ([head] + rows).joined(separator: "\n").write(
      toFile: fixture.out("answers.csv"), atomically: true, encoding: .utf8)
    let verify =
      [
        "watermark", "verify", "--commitment", commitment, "--nulls", "2", "--level", "0.05",
        "--json",
      ] + judge + nulls + keys + network
    let served = try await fixture.tool.start(
      verify + [
        "--queries", fixture.out("queries") + "/queries.h5", "--answers",
        fixture.out("answers.csv"),
      ]
    ).outcome()
    let atHand = try await fixture.tool.start(verify + ["--suspect", run + "/model.h5"]).outcome()
    #expect(served.stderr.contains("training 2 null models"), "\(served.stderr)")
    let evidence = try #require(served.json?["details"] as? [String: Any], "\(served.stderr)")
    let expected = try #require(atHand.json?["details"] as? [String: Any], "\(atHand.stderr)")
    #expect(evidence["sentence"] as? String == expected["sentence"] as? String)
    #expect(try choosing(fixture) == made)

    let stress = try await fixture.tool.start(
      [
        "watermark", "stress", "--checkpoint", run + "/model.h5", "--key", run + "/key.json",
        "--cache", fixture.out("cache"), "--attack", "prune-0.1", "--nulls", "2", "--out",
        fixture.out("stress"), "--data", "digits", "--json", "--set", "views=recipe",
      ] + nulls + network
    ).outcome()
    #expect([0, 2].contains(stress.status), "\(stress.stderr)")
    #expect(!stress.stderr.contains("training"), "\(stress.stderr)")
    #expect(try choosing(fixture) == made)
    // The foreign keys are those of the verification.
    let row = try #require((stress.json?["rows"] as? [[String: Any]])?.first)
    let metrics = try #require(row["metrics"] as? [String: [String: Any]])
    let p = try #require((metrics["p_value"]?["value"] as? NSNumber)?.doubleValue)
    let rank = try #require(expected["rank"] as? [String: Any])
    #expect(p == (rank["p"] as? NSNumber)?.doubleValue)
  }
}
