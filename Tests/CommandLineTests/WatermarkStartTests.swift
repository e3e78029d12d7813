import BulwarkNN
import BulwarkStore
import BulwarkTraining
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

  @Test("A trained model is marked: its network, its normalization, and a mark that is verified")
  func marks() async throws {
    let fixture = try WatermarkFixture()
    try StressFixture.train.write(
      toFile: fixture.out("train.yaml"), atomically: true, encoding: .utf8)
    let trained = try await fixture.tool(
      "run", fixture.out("train.yaml"), "--out", fixture.out("plain"), "--quiet", "--set",
      "model.width=7")
    #expect(trained.status == 0, "\(trained.stderr)")
    let (plain, run) = (fixture.out("plain") + "/standard.h5", fixture.out("run"))
    let embed = [
      "watermark", "embed", "--recipe", try recipe(fixture), "--scheme", "adi", "--checkpoint",
      plain,
    ]
    let embedded = try await fixture.tool.start(embed + ["--out", run, "--json", "--quiet"])
      .outcome()
    #expect(embedded.status == 0, "\(embedded.stderr)")
    let inputs = try #require(embedded.json?["inputs"] as? [String: Any])
    #expect(inputs["checkpoint"] as? String == plain)
    let (before, after) = (
      try LoadedModel(plain, device: .cpu), try LoadedModel(run + "/model.h5", device: .cpu)
    )
    #expect(before.model.architecture == after.model.architecture)
    #expect(after.model.architecture.width == 7 && before.normalization == after.normalization)
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
