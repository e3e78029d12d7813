import BulwarkData
import BulwarkStore
import BulwarkWatermark
import Foundation
import Testing

@testable import bulwark

@Suite("Secrets of watermarks")
struct WatermarkSecretTests {
  private static let secret = String(repeating: "4be1", count: 16)

  private func mode(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
  }

  /// An embedding of one epoch, or as long as `epochs` says.
  private func embed(_ fixture: WatermarkFixture, _ run: String, _ more: [String] = [])
    -> [String]
  {
    [
      "watermark", "embed", "--recipe", fixture.recipe, "--epochs", "1", "--out", run, "--set",
      "secret=\(Self.secret)",
    ] + more
  }

  @Test("A given secret stands in key.json alone, and the copy of the recipe still resumes")
  func redacted() async throws {
    let fixture = try WatermarkFixture()
    let run = fixture.out("run")
    let embedded = try await fixture.tool.start(embed(fixture, run, ["--json"])).outcome()
    #expect(embedded.status == 0, "\(embedded.stderr)")
    for name in ["recipe.yaml", "training.h5", "model.h5", "result.json"] {
      let bytes = try fixture.bytes(run + "/" + name)
      #expect(bytes.range(of: Data(Self.secret.utf8)) == nil, "\(name)")
    }
    #expect(!(embedded.stdout + embedded.stderr).contains(Self.secret))
    #expect(try WatermarkKey(reading: run + "/key.json").secret.hexadecimal == Self.secret)
    for name in ["recipe.yaml", "training.h5", "key.json", "result.json"] {
      #expect(try mode(run + "/" + name) == 0o600, "\(name)")
    }

    let before = try WatermarkKey(reading: run + "/key.json").commitment()
    for arguments in [
      ["run", run + "/recipe.yaml", "--out", run, "--resume"], embed(fixture, run, ["--resume"]),
    ] {
      let again = try await fixture.tool.start(arguments).outcome()
      #expect(again.status == 0, "\(again.stderr)")
      #expect(again.stderr.contains("going on from"))
      #expect(try WatermarkKey(reading: run + "/key.json").commitment() == before)
    }

    // Another secret is another run, and the copy alone makes no key.
    let other = String(repeating: "0", count: 64)
    let wrong = try await fixture.tool.start(
      embed(fixture, run, ["--resume", "--set", "secret=\(other)"])
    ).outcome()
    #expect(wrong.status == 64 && wrong.stderr.contains("secret"), "\(wrong.stderr)")
    let fresh = try await fixture.tool(
      "run", run + "/recipe.yaml", "--out", fixture.out("fresh"))
    #expect(fresh.status == 64, "\(fresh.stderr)")
    #expect(fresh.stderr.contains("only a digest of the secret"))
    #expect(!FileManager.default.fileExists(atPath: fixture.out("fresh")))
  }

  @Test("--force keeps a finished watermark under another name, also when killed at once")
  func force() async throws {
    let fixture = try WatermarkFixture()
    let run = fixture.out("run")
    let first = try await fixture.tool.start(embed(fixture, run)).outcome()
    #expect(first.status == 0, "\(first.stderr)")
    let commitment = try #require(try WatermarkKey(reading: run + "/key.json").commitment())
    let (key, model) = (
      try fixture.bytes(run + "/key.json"), try fixture.bytes(run + "/model.h5")
    )

    let second = try fixture.tool.start(
      [
        "watermark", "embed", "--recipe", fixture.recipe, "--out", run, "--force", "--epochs",
        "400",
      ])
    try await second.wait(for: "zhang-content: host")
    second.send(SIGKILL)
    let killed = try await second.outcome()
    let tag = commitment.digest.description.prefix(8)
    #expect(killed.stderr.contains("key-\(tag).json"), "\(killed.stderr)")
    #expect(try fixture.bytes(run + "/key-\(tag).json") == key)
    #expect(try fixture.bytes(run + "/model-\(tag).h5") == model)
    #expect(try mode(run + "/key-\(tag).json") == 0o600)
    #expect(try WatermarkKey(reading: run + "/key.json").commitment() == nil)
  }

  @Test("Without its key a run does not go on, and no other key is made up")
  func keyIsAway() async throws {
    let fixture = try WatermarkFixture()
    let run = fixture.out("run")
    let embedded = try await fixture.tool.start(embed(fixture, run)).outcome()
    #expect(embedded.status == 0, "\(embedded.stderr)")
    let safe = fixture.out("safe.json")
    try FileManager.default.moveItem(atPath: run + "/key.json", toPath: safe)
    let resumed = try await fixture.tool(
      "run", run + "/recipe.yaml", "--out", run, "--resume")
    #expect(resumed.status == 66, "\(resumed.stderr)")
    #expect(resumed.stderr.contains("Put the key back"))
    #expect(!FileManager.default.fileExists(atPath: run + "/key.json"))
    try FileManager.default.moveItem(atPath: safe, toPath: run + "/key.json")
    let again = try await fixture.tool("run", run + "/recipe.yaml", "--out", run, "--resume")
    #expect(again.status == 0, "\(again.stderr)")
  }

  @Test("A run does not go on with a key whose images are not those of the data")
  func otherImages() async throws {
    let fixture = try WatermarkFixture()
    let (run, stopped) = (fixture.out("run"), fixture.out("stopped"))
    let embedded = try await fixture.tool.start(embed(fixture, run)).outcome()
    #expect(embedded.status == 0, "\(embedded.stderr)")
    // As a run leaves it that was killed before its first checkpoint, its data changed since.
    let key = try WatermarkKey(reading: run + "/key.json")
    let data = DataOptions(limit: 190, testLimit: 60)
    try FileManager.default.createDirectory(atPath: stopped, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: run + "/recipe.yaml", toPath: stopped + "/recipe.yaml")
    try WatermarkKey(
      secret: key.secret, owner: key.owner, mark: key.mark,
      train: DataSource.load("digits", options: data).train, facts: key.facts
    ).write(to: stopped + "/key.json")
    let resumed = try await fixture.tool(
      "run", stopped + "/recipe.yaml", "--out", stopped, "--resume")
    #expect(resumed.status == 65, "\(resumed.stderr)")
    #expect(resumed.stderr.contains("drawn from other training images"), "\(resumed.stderr)")
  }

  @Test("A published secret is warned of, a drawn one is not")
  func published() async throws {
    let fixture = try WatermarkFixture()
    for (secret, warns) in [("test:anybody", true), ("", false)] {
      let outcome = try await fixture.tool(
        "watermark", "embed", "--recipe", fixture.recipe, "--set", "secret=\(secret)", "--dry-run",
        "--out", fixture.out("never"))
      #expect(outcome.status == 0, "\(outcome.stderr)")
      #expect(outcome.stderr.contains("everybody can make this key") == warns)
    }
  }
}
