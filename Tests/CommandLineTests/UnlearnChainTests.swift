import BulwarkData
import BulwarkStore
import Foundation
import Testing

@Suite("bulwark unlearn, from a checkpoint that does not know all of the data")
struct UnlearnChainTests {
  @Test("A second unlearning does not teach what the first one took out, nor does its Retrain")
  func second() async throws {
    let fixture = try await UnlearnFixture()
    func unlearn(_ name: String, _ arguments: String...) async throws -> Tool.Outcome {
      let outcome = try await fixture.tool.start(
        [
          "unlearn", "--recipe", fixture.recipe, "--method", "ft", "--out", fixture.out(name),
          "--set", "relearning.enabled=false", "--json",
        ] + arguments
      ).outcome()
      try #require(outcome.status == 0, "\(outcome.stderr)")
      return outcome
    }
    let first = try await unlearn("first", "--forget", "indices:3,7,9")
    #expect(!first.stderr.contains("gone"), "\(first.stderr)")
    let second = try await unlearn(
      "second", "--checkpoint", fixture.out("first") + "/ft-seed0.h5", "--forget", "indices:5,7",
      "--reference", "retrain")
    #expect(second.stderr.contains("3 samples are gone"), "\(second.stderr)")
    let checkpoint = try Checkpoint(reading: fixture.out("second") + "/ft-seed0.h5")
    #expect(checkpoint.indexSets["forget"] == [3, 5, 7, 9])
    let report = try JSONValue(
      parsing: String(contentsOfFile: fixture.out("second") + "/forgetting.json", encoding: .utf8))
    let rows = try #require(try report["rows"]?.decode(as: [JSONValue].self))
    #expect(rows.count == 3)
    for row in rows {
      #expect(
        row["forget_set"]?["samples"] == .int(2) && row["forget_set"]?["gone_before"] == .int(2))
      #expect(row["measures"]?["retain_accuracy"]?["n"] == .int(196))
      #expect(row["mia_classifier"]?["samples_of_each_kind"] == .int(60))
      #expect(row["mia_classifier"]?["penalty"]?["mia_efficacy_scaled"] == .int(500))
    }
    // Retrain has never seen any of the four, and the result says where it is.
    let outputs = try #require(second.json?["outputs"] as? [String: String])
    let retrain = try Checkpoint(reading: try #require(outputs["checkpoint_retrain-seed0"]))
    #expect(retrain.indexSets["forget"] == [3, 5, 7, 9])
  }

  @Test(
    "What training left out stays out: the data are accepted with the same list, and not without")
  func leftOut() async throws {
    let fixture = try await UnlearnFixture()
    let list = fixture.out("bad.json")
    try "[0, 11, 12]".write(toFile: list, atomically: true, encoding: .utf8)
    let trained = try await fixture.tool(
      "run", fixture.out("train.yaml"), "--set", "leave_out=\(list)", "--out", fixture.out("rest"))
    try #require(trained.status == 0, "\(trained.stderr)")
    let arguments = [
      "unlearn", "--recipe", fixture.recipe, "--method", "ft", "--checkpoint",
      fixture.out("rest") + "/standard.h5", "--forget", "indices:5", "--set",
      "relearning.enabled=false", "--json",
    ]
    let refused = try await fixture.tool.start(arguments + ["--out", fixture.out("a")]).outcome()
    #expect(refused.status == 65, "\(refused.stderr)")
    #expect(
      refused.stderr.contains(list) && refused.stderr.contains("--leave-out"), "\(refused.stderr)")
    #expect(refused.stderr.contains("leave_out"), "\(refused.stderr)")
    let taken = try await fixture.tool.start(
      arguments + ["--out", fixture.out("b"), "--leave-out", list]
    ).outcome()
    #expect(taken.status == 0 && taken.stderr.contains("3 samples are gone"), "\(taken.stderr)")
    let checkpoint = try Checkpoint(reading: fixture.out("b") + "/ft-seed0.h5")
    #expect(checkpoint.indexSets["forget"] == [0, 5, 11, 12])
  }

  @Test("Settings of Retrain that would not count are refused, with what makes them count")
  func idleSettings() async throws {
    let fixture = try await UnlearnFixture()
    let arguments = [
      "unlearn", "--recipe", fixture.recipe, "--reference", "retrain", "--dry-run", "--out",
      fixture.out("run"), "--set",
    ]
    for setting in ["retrain.epochs=5", "augmentation.padding=2"] {
      let outcome = try await fixture.tool.start(arguments + [setting]).outcome()
      #expect(outcome.status == 64, "\(outcome.stderr)")
      #expect(outcome.stderr.contains("training=recipe"), "\(outcome.stderr)")
      let followed = try await fixture.tool.start(
        arguments + [setting, "--set", "training=recipe"]
      ).outcome()
      #expect(followed.status == 0, "\(followed.stderr)")
    }
  }

  @Test("Without test images the run says which measures are missing")
  func noTestImages() async throws {
    let fixture = try await UnlearnFixture()
    let train = try DataSource.load("digits", options: DataOptions(limit: 40)).train
    for index in 0..<train.count {
      let place = fixture.out("photos") + "/train/\(train.labels[index])"
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      try ImageCodec.writePNG(train.raster(index), to: place + "/\(index).png")
    }
    for (data, isMissing) in [("digits", false), (fixture.out("photos"), true)] {
      let outcome = try await fixture.tool(
        "unlearn", "--recipe", fixture.recipe, "--data", data, "--accept-different-data",
        "--method",
        "ft", "--dry-run", "--out", fixture.out("run"))
      #expect(outcome.status == 0, "\(outcome.stderr)")
      #expect(
        outcome.stderr.contains("Avg Gap, are not measured") == isMissing, "\(outcome.stderr)")
    }
  }
}
