import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTraining
import BulwarkWatermark
import Foundation
import Testing

@testable import bulwark

@Suite("bulwark watermark embed --checkpoint")
struct WatermarkStartTests {
  /// The fixture's task, without a network of its own.
  private func recipe(_ fixture: WatermarkFixture) throws -> String {
    let path = fixture.out("mark.yaml")
    try WatermarkFixture.embed.replacing("model: {family: small_cnn, width: 6}\n", with: "")
      .write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  @Test("What was unlearned is not taught again, and no input is removed")
  func refuses() async throws {
    let fixture = try WatermarkFixture()
    try StressFixture.train.write(
      toFile: fixture.out("train.yaml"), atomically: true, encoding: .utf8)
    let plain = fixture.out("plain") + "/standard.h5"
    let trained = try await fixture.tool(
      "run", fixture.out("train.yaml"), "--out", fixture.out("plain"), "--quiet", "--set",
      "standard.epochs=1")
    #expect(trained.status == 0, "\(trained.stderr)")
    let unlearned = try await fixture.tool(
      "unlearn", "--checkpoint", plain, "--data", "digits", "--limit", "200", "--forget",
      "random:0.1", "--set", "settings.salun.training.epochs=1", "--set", "data.test_limit=60",
      "--set", "relearning.enabled=false", "--threads", "1", "--precision", "fp32", "--out",
      fixture.out("unlearned"), "--quiet")
    #expect(unlearned.status == 0, "\(unlearned.stderr)")
    let embed = ["watermark", "embed", "--recipe", try recipe(fixture), "--out"]
    let taught = try await fixture.tool.start(
      embed + [
        fixture.out("never"), "--checkpoint", fixture.out("unlearned") + "/salun-seed0.h5",
      ]
    ).outcome()
    #expect(taught.status == 65, "\(taught.stderr)")
    #expect(taught.stderr.contains("teaches all of their labels again"), "\(taught.stderr)")

    // A model in the folder of the run that would replace it.
    let folder = fixture.out("in-place")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: plain, toPath: folder + "/model.h5")
    let inPlace = try await fixture.tool.start(
      embed + [folder, "--force", "--checkpoint", folder + "/model.h5"]
    ).outcome()
    #expect(inPlace.status == 64, "\(inPlace.stderr)")
    #expect(try fixture.bytes(folder + "/model.h5") == fixture.bytes(plain))
    // None is trained for tilted.
    let dry = try await fixture.tool.start(
      embed + [
        fixture.out("never"), "--scheme", "tilted", "--checkpoint", plain, "--dry-run",
      ]
    ).outcome()
    #expect(dry.status == 0, "\(dry.stderr)")
    #expect(dry.stdout.contains("host") && !dry.stdout.contains("reference"), "\(dry.stdout)")
    #expect(!FileManager.default.fileExists(atPath: fixture.out("never")))
  }

  @Test("A trained model is marked: its network, its normalization, and a mark that is verified")
  func marks() async throws {
    let fixture = try WatermarkFixture()
    try StressFixture.train.write(
      toFile: fixture.out("train.yaml"), atomically: true, encoding: .utf8)
    let trained = try await fixture.tool(
      "run", fixture.out("train.yaml"), "--out", fixture.out("plain"), "--quiet", "--set",
      "model.width=7", "--set", "data.limit=150")
    #expect(trained.status == 0, "\(trained.stderr)")
    let (plain, run) = (fixture.out("plain") + "/standard.h5", fixture.out("run"))
    let embed = [
      "watermark", "embed", "--recipe", try recipe(fixture), "--scheme", "adi", "--checkpoint",
      plain,
    ]
    let embedded = try await fixture.tool.start(embed + ["--out", run, "--json"])
      .outcome()
    #expect(embedded.status == 0, "\(embedded.stderr)")
    let inputs = try #require(embedded.json?["inputs"] as? [String: Any])
    #expect(inputs["checkpoint"] as? String == plain)
    let (before, after) = (
      try LoadedModel(plain, device: .cpu), try LoadedModel(run + "/model.h5", device: .cpu)
    )
    #expect(before.model.architecture == after.model.architecture)
    // Trained on fewer images, which have other statistics.
    #expect(embedded.stderr.contains("was trained on other images than these"))
    let data = try DataSource.load("digits", options: DataOptions(limit: 200)).train
    #expect(
      try after.normalization == before.normalization && after.normalization != data.normalization()
    )
    #expect(after.model.architecture.width == 7)
    #expect(try WatermarkKey(reading: run + "/key.json").facts.training == nil)
    #expect(try before.model.weightDigest() != after.model.weightDigest())
    let commitment = try #require(after.checkpoint.watermarkCommitment?.description)
    for (suspect, status) in [(run + "/model.h5", Int32(0)), (plain, 2)] {
      let verified = try await fixture.tool.start(
        fixture.verify(key: run + "/key.json", suspect: suspect, ["--commitment", commitment])
      ).outcome()
      #expect(verified.status == status, "\(verified.stdout) \(verified.stderr)")
    }

    // Settings of another network would not count, those of the same do no harm.
    for (width, status) in [("8", Int32(64)), ("7", 0)] {
      let stated = try await fixture.tool.start(
        embed + [
          "--out", fixture.out("never"), "--dry-run", "--set",
          "model={family: small_cnn, width: \(width)}",
        ]
      ).outcome()
      #expect(stated.status == status, "\(stated.stderr)")
      #expect(stated.stderr.contains("Settings under model have no effect") == (status != 0))
    }
    let missing = try await fixture.tool.start(
      embed.dropLast() + [fixture.out("nothing.h5"), "--out", fixture.out("never")]
    ).outcome()
    #expect(missing.status == 66, "\(missing.stderr)")
    #expect(!FileManager.default.fileExists(atPath: fixture.out("never")))
  }
}
