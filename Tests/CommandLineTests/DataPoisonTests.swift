import BulwarkData
import BulwarkStore
import Foundation
import Testing

@Suite("bulwark data poison: what its input knows, and --dry-run")
struct DataPoisonTests {
  private let tool = Tool()

  @Test(
    "Data that were poisoned before keep those poisons, their other index sets and their origin")
  func poisonedBefore() async throws {
    let folder = try TemporaryFolder()
    let digits = try DataSource.load("digits", options: DataOptions(limit: 100, testLimit: 20))
    try DataBundle(
      train: digits.train, test: digits.test, kind: .digits, path: "digits",
      indexSets: ["poisoned": [1, 2], "noise": [4], "flagged": [5]]
    ).write(to: folder.file("before.h5"), provenance: ["made": "by hand"])
    let outcome = try await tool(
      "data", "poison", "--data", folder.file("before.h5"), "--attack", "badnets", "--rate", "0.1",
      "--threads", "1", "--out", folder.file("out"), "--json")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let details = try #require(outcome.json?["details"] as? [String: Any])
    #expect(details["poisoned"] as? Int == 10 && details["poisoned_before"] as? Int == 2)
    #expect(details["poisoned_share"] as? Double == 0.1)
    // A share of images is no metric of Docs/Metrics.md.
    #expect(outcome.json?["metrics"] == nil)

    let manifest = try JSONValue(
      parsing: String(contentsOfFile: folder.file("out") + "/poison.json", encoding: .utf8))
    let new = try #require(try manifest["poisonedIndices"]?.decode(as: [Int].self))
    #expect(new.count == 10)
    let file = try DatasetFile(reading: folder.file("out") + "/data.h5")
    #expect(file.indexSets["poisoned"] == Set(new).union([1, 2]).sorted())
    #expect(file.indexSets["noise"] == [4] && file.indexSets["flagged"] == [5])
    #expect(file.provenance["source"] == ["made": "by hand"])
    #expect(file.provenance["poison"] == manifest)
  }

  @Test(
    "--dry-run counts what a run would change and estimates time and memory, and writes nothing",
    arguments: [
      (["--attack", "badnets"], 72, 0),
      (["--attack", "wanet", "--parameter", "noiseRatio=2"], 72, 144),
      (["--attack", "sig"], 73, 0),
      (
        [
          "--attack", "label-consistent", "--classifier",
          ExampleCheckpointTests.folder + "digits-smallcnn-undefended.h5",
        ], 73, 0
      ),
      (["--attack", "badnets", "--rate", "0"], 0, 0),
    ])
  func dryRun(attack: [String], poisoned: Int, noise: Int) async throws {
    let folder = try TemporaryFolder()
    let outcome = try await tool.start(
      ["data", "poison", "--data", "digits", "--threads", "1", "--dry-run", "--json"]
        + ["--out", folder.file("new/out")] + attack
    ).outcome()
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let result = try #require(outcome.json)
    let metrics = try #require(result["metrics"] as? [String: [String: Any]])
    _ = try expectEstimate(metrics)
    let details = try #require(result["details"] as? [String: Any])
    #expect(details["dry_run"] as? Bool == true)
    #expect(details["poisoned"] as? Int == poisoned && details["noise"] as? Int == noise)
    let spec = try #require(details["attack"] as? [String: Any])
    #expect((spec["attack"] as? [String: Any])?["kind"] as? String == attack[1])
    #expect(!FileManager.default.fileExists(atPath: folder.file("new")))
  }

  @Test("--dry-run refuses what a run would refuse")
  func refusals() async throws {
    let folder = try TemporaryFolder()
    try Data("a".utf8).write(to: URL(fileURLWithPath: folder.file("taken")))
    for (flags, status) in [
      (["--attack", "badnets", "--rate", "0.0001"], 64),
      (["--attack", "badnets", "--rate", "1"], 64), (["--attack", "label-consistent"], 64),
      (["--attack", "badnets", "--target", "10"], 64),
      (["--attack", "badnets", "--out", folder.file("taken")], 73),
    ] as [([String], Int32)] {
      let outcome = try await tool.start(
        ["data", "poison", "--data", "digits", "--threads", "1", "--dry-run"]
          + (flags.contains("--out") ? [] : ["--out", folder.file("out")]) + flags
      ).outcome()
      #expect(outcome.status == status, "\(flags): \(outcome.stderr)")
    }
  }

  @Test("There is no choice of arithmetic, since attacks use float32")
  func precision() async throws {
    let help = try await tool("data", "poison", "--help")
    #expect(help.stdout.contains("--device") && !help.stdout.contains("--precision"))
  }
}
