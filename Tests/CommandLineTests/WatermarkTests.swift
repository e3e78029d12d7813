import BulwarkStore
import BulwarkWatermark
import Foundation
import Testing

@testable import bulwark

/// A marked model of a few seconds on 200 digits.
struct WatermarkFixture {
  static let embed = """
    command: watermark embed
    threads: 1
    precision: fp32
    checkpoint_interval: 0.2
    scheme: zhang-content
    owner: Ada
    secret: test:command line
    data: {limit: 200, test_limit: 60}
    model: {family: small_cnn, width: 6}
    augmentation: {padding: 1, flip: false}
    watermark: {carriers: {count: 30}}
    training: {epochs: 12, batch_size: 25, learning_rate: 0.05}
    """

  let tool = Tool()
  let folder: TemporaryFolder
  let recipe: String

  init() throws {
    folder = try TemporaryFolder()
    recipe = folder.file("embed.yaml")
    try Self.embed.write(toFile: recipe, atomically: true, encoding: .utf8)
  }

  func out(_ name: String) -> String { folder.file(name) }

  func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

  /// Arguments of a verification with three small null models: 4 · 80 cells.
  func verify(key: String, suspect: String, _ more: [String] = []) -> [String] {
    [
      "watermark", "verify", "--key", key, "--suspect", suspect, "--nulls", "3", "--suspect-keys",
      "79", "--level", "0.05", "--cache", out("cache"), "--threads", "1", "--precision", "fp32",
      "--limit", "200", "--set", "data.test_limit=60", "--set",
      "nulls.training={epochs: 6, batch_size: 25, learning_rate: 0.05}", "--set",
      "augmentation={padding: 1, flip: false}",
    ] + more
  }
}

@Suite("bulwark watermark")
struct WatermarkTests {
  @Test("A marked model is shown to be derived, an unmarked one is not: exit codes 0 and 2")
  func embedAndVerify() async throws {
    let fixture = try WatermarkFixture()
    let run = fixture.out("run")
    let embedded = try await fixture.tool(
      "watermark", "embed", "--recipe", fixture.recipe, "--out", run, "--json", "--quiet")
    #expect(embedded.status == 0, "\(embedded.stderr)")
    let details = try #require(embedded.json?["details"] as? [String: Any])
    let commitment = try #require(details["commitment"] as? String)
    #expect(try WatermarkKey(reading: run + "/key.json").commitment()?.description == commitment)
    let mode = try FileManager.default.attributesOfItem(atPath: run + "/key.json")[
      .posixPermissions]
    #expect(mode as? Int == 0o600)
    let released = try Checkpoint(reading: run + "/model.h5")
    #expect(released.watermarkCommitment?.description == commitment)
    #expect(released.recipe == nil && released.states.isEmpty)
    let metrics = try #require(embedded.json?["metrics"] as? [String: [String: Any]])
    #expect(try #require(metrics["carrier_accuracy"]?["value"] as? Double) > 0.9)

    let marked = try await fixture.tool.start(
      fixture.verify(
        key: run + "/key.json", suspect: run + "/model.h5",
        ["--commitment", commitment, "--released", run + "/model.h5", "--out", fixture.out("v")])
        + ["--json", "--quiet"]
    ).outcome()
    #expect(marked.status == 0, "\(marked.stderr)")
    let evidence = try #require(marked.json?["details"] as? [String: Any])
    #expect(evidence["verdict"] as? String == "derived")
    #expect((evidence["sentence"] as? String)?.hasPrefix("Derived: ") == true)
    #expect((evidence["commitment_opens"] as? [String])?.count == 3)
    let rank = try #require(evidence["rank"] as? [String: Any])
    #expect(rank["p"] as? Double == 1.0 / 320)
    #expect(rank["p_among_keys"] as? Double == 1.0 / 80 && rank["key_rank"] as? String == "excess")
    #expect(rank["suspect_keys"] as? Int == 79 && rank["foreign_keys"] as? Int == 79)
    let warnings = try #require(evidence["warnings"] as? [String])
    #expect(warnings.contains { $0.contains("null models are not trained as the owner's model") })
    #expect(warnings.contains { $0.contains("test:command line is published") })

    // With five published commitments each is held to a fifth of the level, and 1 / 80 is above 0.01.
    let many = try await fixture.tool.start(
      fixture.verify(
        key: run + "/key.json", suspect: run + "/model.h5",
        ["--commitment", commitment, "--commitments", "5", "--json", "--quiet"])
    ).outcome()
    #expect(many.status == 2, "\(many.stderr)")
    let held = try #require(many.json?["details"] as? [String: Any])
    #expect(held["commitments"] as? Int == 5)
    #expect(abs(try #require(held["tested_level"] as? Double) - 0.01) < 1e-12)
    #expect((held["sentence"] as? String)?.contains("for 5 commitments") == true)

    // The same evidence without the digest that was published before shows nothing.
    let undated = try await fixture.tool.start(
      fixture.verify(key: run + "/key.json", suspect: run + "/model.h5")
    ).outcome()
    #expect(undated.status == 2, "\(undated.stderr)")
    #expect(undated.stdout.hasPrefix("Not committed: "))
    #expect(undated.stderr.contains("without --commitment nothing can be shown"))
    #expect((evidence["class_shares"] as? [String: Double])?.count == 10)
    let saved = try String(contentsOfFile: fixture.out("v") + "/verification.json", encoding: .utf8)
    #expect(saved.contains("\"verdict\":\"derived\""))

    // The null models and their scores are used again, one of the models as the suspect.
    #expect(!undated.stderr.contains("null scores"), "\(undated.stderr)")
    let files = try FileManager.default.contentsOfDirectory(atPath: fixture.out("cache"))
    #expect(files.count { $0.hasPrefix("scores-") } == 1)
    let cached = files.filter { $0.hasPrefix("null-") }
    #expect(cached.count == 3 && files.count == 4)
    let before = try cached.map { try fixture.bytes(fixture.out("cache") + "/" + $0) }
    let innocent = try await fixture.tool.start(
      fixture.verify(
        key: run + "/key.json", suspect: fixture.out("cache") + "/" + cached[0],
        ["--access", "labels"])
    ).outcome()
    #expect(innocent.status == 2, "\(innocent.stderr)")
    #expect(innocent.stdout.hasPrefix("Not shown: "))
    #expect(!innocent.stderr.contains("training"))
    #expect(try cached.map { try fixture.bytes(fixture.out("cache") + "/" + $0) } == before)

    // Nor is a model derived that is none of the null models: these are drawn anew.
    let stranger = try await fixture.tool.start(
      fixture.verify(
        key: run + "/key.json", suspect: fixture.out("cache") + "/" + cached[0],
        ["--commitment", commitment, "--set", "nulls.draw=1"])
    ).outcome()
    #expect(stranger.status == 2, "\(stranger.stderr)")
    #expect(stranger.stdout.hasPrefix("Not shown: "))

    // Hours of scoring, and a signal.
    let scoring = try fixture.tool.start(
      fixture.verify(
        key: run + "/key.json", suspect: run + "/model.h5", ["--suspect-keys", "500000"]))
    try await scoring.wait(for: "verify: null scores")
    scoring.send(SIGTERM)
    let stopped = try await scoring.outcome()
    #expect(stopped.status == 75, "\(stopped.stderr)")
    #expect(stopped.stderr.contains("interrupted in stage null_scores"))
    #expect(stopped.stderr.contains("cache holds what is known of null models"))
  }

  @Test(
    "Killed or asked to stop, an embedding goes on with the same secret and ends with the same model"
  )
  func resume() async throws {
    let fixture = try WatermarkFixture()
    let long = ["--set", "training.epochs=60"]
    let whole = try await fixture.tool.start(
      ["run", fixture.recipe, "--out", fixture.out("whole"), "--quiet"] + long
    ).outcome()
    #expect(whole.status == 0, "\(whole.stderr)")
    let parts = fixture.out("parts")
    let first = try fixture.tool.start(
      ["run", fixture.recipe, "--out", parts, "--skip-bad"] + long)
    try await first.wait(for: "zhang-content: host")
    first.send(SIGTERM)
    let stopped = try await first.outcome()
    #expect(stopped.status == 75, "\(stopped.stderr)")
    let advice = "bulwark run \(parts)/recipe.yaml --out \(parts) --resume --skip-bad"
    #expect(stopped.stderr.contains(advice), "\(stopped.stderr)")
    let unfinished = try await fixture.tool.start(
      fixture.verify(key: parts + "/key.json", suspect: fixture.out("whole") + "/model.h5")
    ).outcome()
    #expect(unfinished.status == 65)
    #expect(unfinished.stderr.contains("not trained to the end"))
    let last = try await fixture.tool(
      "run", parts + "/recipe.yaml", "--out", parts, "--resume", "--quiet")
    #expect(last.status == 0, "\(last.stderr)")
    for name in ["model.h5"] {
      #expect(
        try Checkpoint(reading: parts + "/" + name).modelDigest()
          == Checkpoint(reading: fixture.out("whole") + "/" + name).modelDigest())
    }
    // The commitments differ, since each binds the day and time of its run.
    let keys = try [parts, fixture.out("whole")].map {
      try WatermarkKey(reading: $0 + "/key.json")
    }
    #expect(keys[0].secret == keys[1].secret && keys[0].mark == keys[1].mark)
    #expect(keys[0].modelDigest != nil && keys[0].modelDigest == keys[1].modelDigest)
  }

  @Test("Wrong settings, keys and models each have their message and exit code")
  func errors() async throws {
    let fixture = try WatermarkFixture()
    let embeds: [([String], Int32, String)] = [
      (["--scheme", "rehearse"], 64, "scheme"),
      (["--owner", ""], 64, "owner"),
      (["--set", "secret=abc"], 64, "secret"),
      (["--set", "watermark.carriers.count=0"], 64, "carriers.count"),
      (["--set", "watermark.ingrain.wieght=1"], 64, "'weight'"),
      (["--set", "watermark.carriers.groups=9", "--scheme", "rehearsed"], 64, "carriers.groups"),
      (["--epochs", "0"], 64, "training.epochs"),
      (["--data", "/nonexistent"], 66, "nonexistent"),
    ]
    for (arguments, status, words) in embeds {
      let outcome = try await fixture.tool.start(
        ["watermark", "embed", "--recipe", fixture.recipe, "--out", fixture.out("never")]
          + arguments
      ).outcome()
      #expect(outcome.status == status, "\(arguments): \(outcome.stderr)")
      #expect(outcome.stderr.contains(words), "\(arguments): \(outcome.stderr)")
    }
    #expect(!FileManager.default.fileExists(atPath: fixture.out("never")))

    let run = fixture.out("run")
    let embedded = try await fixture.tool(
      "watermark", "embed", "--recipe", fixture.recipe, "--epochs", "1", "--out", run, "--quiet")
    #expect(embedded.status == 0, "\(embedded.stderr)")
    let (key, model) = (run + "/key.json", run + "/model.h5")
    let text = try String(contentsOfFile: key, encoding: .utf8)
    try text.replacing("\"owner\":\"Ada\"", with: "\"owner\":\"Eve\"").write(
      toFile: fixture.out("forged.json"), atomically: true, encoding: .utf8)
    let zeros = "sha256:" + String(repeating: "0", count: 64)
    let verifications: [(String, String, [String], Int32, String)] = [
      (fixture.out("forged.json"), model, [], 65, "does not open the commitment"),
      (key, model, ["--commitment", zeros], 65, "does not open the commitment"),
      (key, model, ["--commitment", "abc"], 64, "commitment"),
      (key, model, ["--released", run + "/training.h5"], 65, "states no commitment"),
      (key, "/nonexistent.h5", [], 66, "nonexistent"),
      ("/nonexistent.json", model, [], 66, "nonexistent"),
      (fixture.recipe, model, [], 65, "no usable watermark key"),
      (key, model, ["--level", "0"], 64, "above 0 and below 1"),
      (key, model, ["--commitments", "0"], 64, "evidence.commitments"),
      (key, model, ["--seed", "1"], 64, "--seed"),
      (key, model, ["--set", "data.image_size=12"], 65, "does not fit"),
    ]
    for (key, suspect, more, status, words) in verifications {
      let outcome = try await fixture.tool.start(
        fixture.verify(key: key, suspect: suspect, more)
      ).outcome()
      #expect(outcome.status == status, "\(more): \(outcome.stderr)")
      #expect(outcome.stderr.contains(words), "\(more): \(outcome.stderr)")
    }
    #expect(!FileManager.default.fileExists(atPath: fixture.out("cache")))
  }

  @Test("--dry-run estimates and leaves nothing behind")
  func dryRun() async throws {
    let fixture = try WatermarkFixture()
    for scheme in ["ingrain", "rehearsed", "tilted"] {
      let outcome = try await fixture.tool(
        "watermark", "embed", "--recipe", fixture.recipe, "--scheme", scheme, "--dry-run", "--json",
        "--out", fixture.out("never"))
      #expect(outcome.status == 0, "\(outcome.stderr)")
      let metrics = try #require(outcome.json?["metrics"] as? [String: [String: Any]])
      #expect(try #require(metrics["estimated_seconds"]?["value"] as? Double) > 0)
    }
    #expect(!FileManager.default.fileExists(atPath: fixture.out("never")))
    let run = fixture.out("run")
    let embedded = try await fixture.tool(
      "watermark", "embed", "--recipe", fixture.recipe, "--epochs", "1", "--out", run, "--quiet")
    #expect(embedded.status == 0, "\(embedded.stderr)")
    let outcome = try await fixture.tool.start(
      fixture.verify(key: run + "/key.json", suspect: run + "/model.h5", ["--dry-run", "--json"])
    ).outcome()
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let details = try #require(outcome.json?["details"] as? [String: Any])
    #expect(details["missing_null_models"] as? Int == 3)
    // Three null models and the suspect under 80 keys.
    #expect(details["scores"] as? Int == 4 * 80)
    #expect(!FileManager.default.fileExists(atPath: fixture.out("cache")))
  }
}

@Suite("The watermark recipes of the repository")
struct WatermarkRecipeTests {
  private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path

  private static let files: [String] = {
    let all =
      (try? FileManager.default.contentsOfDirectory(
        atPath: repository + "/Recipes/watermark")) ?? []
    return all.filter { $0.hasSuffix(".yaml") }.map { "Recipes/watermark/" + $0 }.sorted()
  }()

  @Test(
    "Each has only valid settings, and says its source, command, cost and figures", arguments: files
  )
  func isValid(file: String) throws {
    let path = Self.repository + "/" + file
    let header = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
      .prefix { $0.hasPrefix("#") }.joined(separator: "\n")
    switch try RecipeCommand(of: path) {
    case .watermarkEmbed:
      _ = try ResolvedRecipe<WatermarkEmbedRecipe>(file: path, overrides: []) { _ in }
    case .watermarkVerify:
      let recipe = try ResolvedRecipe<WatermarkVerifyRecipe>(file: path, overrides: []) { _ in }
        .recipe
      // The run that makes the key comes first.
      let run = recipe.key.replacing("/key.json", with: "")
      #expect(header.contains("--out \(run)\n"), "\(run)")
    case .train: _ = try ResolvedRecipe<TrainRecipe>(file: path, overrides: []) { _ in }
    default: break
    }
    for entry in ["# Source: ", "# Hardware: ", "Time: ", "# Expected"] {
      #expect(header.contains(entry), "\(entry)")
    }
    #expect(header.contains("bulwark run \(file) ") && !header.contains("TODO"))
  }

  @Test("There is a recipe for every scheme")
  func complete() throws {
    let schemes = try Self.files.compactMap { file -> WatermarkScheme? in
      let path = Self.repository + "/" + file
      guard try RecipeCommand(of: path) == .watermarkEmbed else { return nil }
      return try ResolvedRecipe<WatermarkEmbedRecipe>(file: path, overrides: []) { _ in }
        .recipe.scheme
    }
    #expect(Set(schemes) == Set(WatermarkScheme.allCases))
  }

  @Test(
    "The recipes for digits run, at the smallest size",
    arguments: files.filter {
      $0.contains("/digits-") && !$0.contains("verify") && !$0.contains("stress")
    })
  func runs(file: String) async throws {
    let folder = try TemporaryFolder()
    let settings = [
      "threads=1", "data.limit=200", "data.test_limit=60", "model.width=4", "training.epochs=1",
      "watermark.carriers.count=20", "watermark.ingrain.ingrainer_steps=5",
    ]
    let outcome = try await Tool().start(
      ["run", Self.repository + "/" + file, "--out", folder.file("run"), "--json", "--quiet"]
        + settings.flatMap { ["--set", $0] }
    ).outcome()
    #expect(outcome.status == 0, "\(outcome.stderr)")
    #expect(FileManager.default.fileExists(atPath: folder.file("run") + "/key.json"))
  }
}
