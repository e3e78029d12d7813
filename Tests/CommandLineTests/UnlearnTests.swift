import BulwarkStore
import Foundation
import Testing

/// A trained checkpoint of a few seconds on 200 digits, and a recipe that unlearns from it.
struct UnlearnFixture {
  static let train = """
    threads: 1
    precision: fp32
    methods: [standard]
    data: {limit: 200, test_limit: 60}
    model: {family: small_cnn, width: 4}
    augmentation: {padding: 1, flip: false}
    standard: {epochs: 6, batch_size: 25, learning_rate: 0.05}
    """
  static let unlearn = """
    command: unlearn
    threads: 1
    precision: fp32
    checkpoint_interval: 0.2
    data: {limit: 200, test_limit: 60}
    forget: random:0.1
    settings:
      salun: {training: {epochs: 3, batch_size: 50}}
      ft: {training: {epochs: 2, batch_size: 50}}
    """

  let tool = Tool()
  let folder: TemporaryFolder
  let checkpoint: String
  let recipe: String

  init() async throws {
    folder = try TemporaryFolder()
    checkpoint = folder.file("train") + "/standard.h5"
    recipe = folder.file("unlearn.yaml")
    try Self.train.write(toFile: folder.file("train.yaml"), atomically: true, encoding: .utf8)
    try (Self.unlearn + "\ncheckpoint: \(checkpoint)\ncache: \(folder.file("cache"))\n")
      .write(toFile: recipe, atomically: true, encoding: .utf8)
    let trained = try await tool("run", folder.file("train.yaml"), "--out", folder.file("train"))
    try #require(trained.status == 0, "\(trained.stderr)")
  }

  func out(_ name: String) -> String { folder.file(name) }

  func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }
}

@Suite("bulwark unlearn")
struct UnlearnTests {
  @Test("A run leaves the checkpoint, the report in two forms, and a reference that is used again")
  func everything() async throws {
    let fixture = try await UnlearnFixture()
    let out = fixture.out("run")
    let arguments = [
      "unlearn", "--recipe", fixture.recipe, "--method", "salun", "--method", "ft+random",
      "--reference", "retrain", "--seeds", "2", "--out", out, "--json", "--quiet",
    ]
    let outcome = try await fixture.tool.start(arguments).outcome()
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let result = try #require(outcome.json)
    let rows = try #require(result["rows"] as? [[String: Any]])
    #expect(rows.map { $0["name"] as? String } == ["original", "retrain", "salun", "ft+random"])
    let salun = try #require(rows[2]["metrics"] as? [String: [String: Any]])
    for name in [
      "unlearning_accuracy", "retain_accuracy", "test_accuracy", "mia_efficacy", "average_gap",
      "unlearning_time", "relearned_accuracy_1",
    ] { #expect(salun[name]?["value"] is Double || salun[name]?["value"] is Int, "\(name)") }
    #expect(salun["movement_outside_mask"]?["value"] as? Double == 0)
    #expect(salun["unlearning_accuracy"]?["n"] as? Int == 20)

    for seed in 0..<2 {
      let checkpoint = try Checkpoint(reading: out + "/salun-seed\(seed).h5")
      #expect(checkpoint.indexSets["forget"]?.count == 20)
      #expect(checkpoint.progress.stage == "done")
      let data = try Checkpoint(reading: fixture.checkpoint).fingerprints
      #expect(checkpoint.fingerprints.filter { $0.key != "unlearn_data" } == data)
      #expect(checkpoint.fingerprints["unlearn_data"] == data["train"])
    }
    try checkRecord(of: result, in: out)
    let report = try JSONValue(
      parsing: String(contentsOfFile: out + "/forgetting.json", encoding: .utf8))
    #expect(
      report["checkpoint_before"]?.stringValue
        == (try Checkpoint.inspectSummary(fixture.checkpoint, policy: .required).digest))
    #expect(FileManager.default.fileExists(atPath: out + "/forgetting.h5"))

    // The references are in the cache: the second run trains none and reports the same.
    let cached = try FileManager.default.contentsOfDirectory(atPath: fixture.out("cache"))
    #expect(cached.count { $0.hasSuffix(".h5") } == 2)
    let again = try await fixture.tool.start(
      arguments.map { $0 == out ? fixture.out("again") : $0 }.filter { $0 != "--quiet" }
    ).outcome()
    #expect(again.status == 0, "\(again.stderr)")
    let second = try #require(again.json?["rows"] as? [[String: Any]])
    let retrain = try #require(second[1]["metrics"] as? [String: [String: Any]])
    let before = try #require(rows[1]["metrics"] as? [String: [String: Any]])
    for name in ["unlearning_accuracy", "unlearning_time"] {
      #expect(retrain[name]?["value"] as? Double == before[name]?["value"] as? Double)
    }
    #expect(
      try fixture.bytes(out + "/salun-seed1.h5")
        == fixture.bytes(fixture.out("again") + "/salun-seed1.h5"))
  }

  /// Spread and interval of the means, and what stands behind every row of every seed.
  private func checkRecord(of result: [String: Any], in out: String) throws {
    let rows = try #require(result["rows"] as? [[String: Any]])
    let salun = try #require(rows[2]["metrics"] as? [String: [String: Any]])
    for name in ["unlearning_accuracy", "unlearning_time", "average_gap_per_seed"] {
      let metric = try #require(salun[name])
      let mean = try #require(metric["value"] as? Double)
      #expect(try #require(metric["std"] as? Double) >= 0, "\(name)")
      let ends = try #require(metric["interval_95"] as? [Any]).compactMap { $0 as? Double }
      try #require(ends.count == 2, "\(name)")
      #expect(ends[0] <= mean && mean <= ends[1], "\(name)")
    }
    let inputs = try #require(result["inputs"] as? [String: Any])
    let forgotten = try #require(inputs["forget_set_digests"] as? [String: String])
    #expect(Set(forgotten.keys) == ["0", "1"] && forgotten["0"] != forgotten["1"])
    let details = try #require(result["details"] as? [String: Any])
    let models = try #require(details["models"] as? [[String: Any]])
    #expect(models.count == 8)
    let masked = models.filter { $0["name"] as? String == "ft+random" }
    #expect(masked.count == 2)
    for model in masked {
      let seed = try #require(model["seed"] as? Int)
      #expect(model["forget_set_digest"] as? String == forgotten["\(seed)"])
      let digest = try Checkpoint.inspectSummary(out + "/ft-random-seed\(seed).h5").digest
      #expect(model["checkpoint_digest"] as? String == digest)
      let settings = try #require(model["settings"] as? [String: Any])
      let mask = try #require(settings["mask"] as? [String: Any])
      #expect(mask["kind"] as? String == "random" && mask["ratio"] as? Double == 0.5)
    }
    let report = try JSONValue(
      parsing: String(contentsOfFile: out + "/forgetting.json", encoding: .utf8))
    guard case .array(let written)? = report["rows"] else {
      Issue.record("the report has no rows")
      return
    }
    let kinds = written.map { $0["settings"]?["mask"]?["kind"]?.stringValue }
    #expect(kinds.filter { $0 == "saliency" }.count == 2)
  }

  @Test("Interrupted again and again, a run ends with the bytes of an uninterrupted one")
  func resumes() async throws {
    let fixture = try await UnlearnFixture()
    let long = ["--set", "settings.salun.training.epochs=60"]
    let whole = try await fixture.tool.start(
      ["run", fixture.recipe, "--out", fixture.out("whole"), "--quiet"] + long
    ).outcome()
    #expect(whole.status == 0, "\(whole.stderr)")

    let parts = fixture.out("parts")
    let first = try fixture.tool.start(
      ["run", fixture.recipe, "--out", parts, "--skip-bad"] + long)
    try await first.wait(for: "salun: salun")
    first.send(SIGTERM)
    let stopped = try await first.outcome()
    #expect(stopped.status == 75, "\(stopped.stderr)")
    let advice = "bulwark run \(parts)/recipe.yaml --out \(parts) --resume --skip-bad"
    #expect(stopped.stderr.contains(advice), "\(stopped.stderr)")
    let refused = try await fixture.tool("run", fixture.recipe, "--out", parts, "--resume")
    #expect(refused.status == 64)
    #expect(refused.stderr.contains("epochs"))

    let killed = try fixture.tool.start(["run", parts + "/recipe.yaml", "--out", parts, "--resume"])
    _ = try await killed.says("salun: salun")
    killed.send(SIGKILL)
    _ = try await killed.outcome()
    let last = try await fixture.tool(
      "run", parts + "/recipe.yaml", "--out", parts, "--resume", "--quiet")
    #expect(last.status == 0, "\(last.stderr)")
    #expect(
      try fixture.bytes(parts + "/salun-seed0.h5")
        == fixture.bytes(fixture.out("whole") + "/salun-seed0.h5"))
    // What is measured is told, and not measured again; the report is the same to the byte.
    let report = try fixture.bytes(parts + "/forgetting.json")
    let again = try await fixture.tool("run", parts + "/recipe.yaml", "--out", parts, "--resume")
    #expect(again.status == 0, "\(again.stderr)")
    #expect(!again.stderr.contains("salun, seed 0: UA"))
    #expect(try fixture.bytes(parts + "/forgetting.json") == report)
    try FileManager.default.removeItem(atPath: parts + "/measured/salun-seed0.json")
    let anew = try await fixture.tool("run", parts + "/recipe.yaml", "--out", parts, "--resume")
    #expect(anew.stderr.contains("salun, seed 0: UA"), "\(anew.stderr)")
    #expect(try fixture.bytes(parts + "/forgetting.json") == report)
  }

  @Test("Wrong targets, methods and data each have their message and exit code")
  func errors() async throws {
    let fixture = try await UnlearnFixture()
    let cases: [([String], Int32, String)] = [
      (["--forget", "indices:3,3"], 65, "more than once"),
      (["--forget", "indices:200"], 65, "0...199"),
      (["--forget", "class:11"], 64, "no class"),
      (["--forget", "random:0"], 64, "between 0 and 1"),
      (["--forget", "/nonexistent.json"], 66, "nonexistent"),
      (["--method", "salum"], 64, "'salun'"),
      (["--method", "ft+salience"], 64, "'saliency'"),
      (["--method", "retrain+random"], 64, "no meaning"),
      (["--ratio", "1.5"], 64, "mask.ratio"),
      (["--method", "ft", "--ratio", "0.3"], 64, "no method here has a mask"),
      (["--checkpoint", "/nonexistent.h5"], 66, "nonexistent"),
      (["--trigger", "/nonexistent.json"], 66, "nonexistent"),
      (["--limit", "150"], 65, "--accept-different-data"),
      (["--set", "settings.salun.trainin.epochs=1"], 64, "'training'"),
      (["--seeds", "0"], 64, "seeds"),
      (["--seeds", "9223372036854775807"], 64, "'seeds' must be a whole number in 1...1000"),
      (["--shadows", "9223372036854775806"], 64, "even number in 6...1000"),
      (["--set", "retrain.momentum=-3"], 64, "retrain.momentum"),
      (["--set", "mask.from=layr4"], 64, "mask.from"),
      (["--shadows", "6", "--set", "audit.share=0.001"], 64, "audit.share"),
    ]
    for (arguments, status, words) in cases {
      let outcome = try await fixture.tool.start(
        ["unlearn", "--recipe", fixture.recipe, "--out", fixture.out("never")] + arguments
      ).outcome()
      #expect(outcome.status == status, "\(arguments): \(outcome.stderr)")
      #expect(outcome.stderr.contains(words), "\(arguments): \(outcome.stderr)")
    }
    #expect(!FileManager.default.fileExists(atPath: fixture.out("never")))
    let missing = try await fixture.tool("unlearn", "--forget", "class:1")
    #expect(missing.status == 64)
    #expect(missing.stderr.contains("--checkpoint"))
  }

  @Test("Other data are taken when that is said, and --dry-run leaves nothing behind")
  func dryRun() async throws {
    let fixture = try await UnlearnFixture()
    let outcome = try await fixture.tool(
      "unlearn", "--recipe", fixture.recipe, "--limit", "150", "--accept-different-data",
      "--dry-run", "--out", fixture.out("never"), "--json")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let metrics = try #require(outcome.json?["metrics"] as? [String: [String: Any]])
    #expect(try #require(metrics["estimated_seconds"]?["value"] as? Double) > 0)
    let details = try #require(outcome.json?["details"] as? [String: Any])
    #expect(details["forget_samples"] as? Int == 15)
    #expect(!FileManager.default.fileExists(atPath: fixture.out("never")))
  }

  @Test("A relearning test that diverges leaves its own measure out and nothing else")
  func relearningDiverges() async throws {
    let fixture = try await UnlearnFixture()
    let outcome = try await fixture.tool(
      "unlearn", "--recipe", fixture.recipe, "--method", "ft", "--set",
      "relearning.training.learning_rate=1e17", "--out", fixture.out("run"), "--json")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    #expect(outcome.stderr.contains("ft, seed 0: no relearning test"), "\(outcome.stderr)")
    let rows = try #require(outcome.json?["rows"] as? [[String: Any]])
    #expect(rows.map { $0["name"] as? String } == ["original", "ft"])
    let metrics = try #require(rows[1]["metrics"] as? [String: [String: Any]])
    for name in ["unlearning_accuracy", "retain_accuracy", "test_accuracy", "mia_efficacy"] {
      #expect(metrics[name] != nil, "\(name)")
    }
    #expect(metrics.keys.allSatisfy { !$0.hasPrefix("relearned") })
    #expect(metrics["unlearning_accuracy"]?["std"] == nil)
  }

  @Test("A method that diverges is named in the report and leaves no file; the others keep theirs")
  func diverged() async throws {
    let fixture = try await UnlearnFixture()
    let outcome = try await fixture.tool(
      "unlearn", "--recipe", fixture.recipe, "--method", "ga", "--method", "ft", "--set",
      "settings.ga.training.learning_rate=1e17", "--set", "checkpoint_interval=0", "--out",
      fixture.out("table"), "--json")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let outputs = try #require(outcome.json?["outputs"] as? [String: String])
    #expect(outputs["checkpoint_ga-seed0"] == nil && outputs["checkpoint_ft-seed0"] != nil)
    for (name, isThere) in [("ga", false), ("ft", true)] {
      let path = fixture.out("table") + "/\(name)-seed0.h5"
      #expect(FileManager.default.fileExists(atPath: path) == isThere, "\(name)")
    }
    let rows = try #require(outcome.json?["rows"] as? [[String: Any]])
    #expect(rows.map { $0["name"] as? String } == ["original", "ft"])
    let report = try JSONValue(
      parsing: String(contentsOfFile: fixture.out("table") + "/forgetting.json", encoding: .utf8))
    #expect(report["verdicts"] != .array([]))
    guard case .array(let failures)? = report["failures"] else {
      Issue.record("the report has no failures")
      return
    }
    #expect(failures.map { $0["name"]?.stringValue } == ["ga"])

    // One step from a finite loss to weights that are finite, but too large for any answer.
    let step = try await fixture.tool(
      "unlearn", "--recipe", fixture.recipe, "--method", "ga", "--set",
      "settings.ga.training={epochs: 1, batch_size: 50, learning_rate: 1e12}", "--out",
      fixture.out("step"))
    #expect(step.status == 1 && step.stderr.contains("the answers became"), "\(step.stderr)")
    #expect(!FileManager.default.fileExists(atPath: fixture.out("step") + "/ga-seed0.h5"))

    let alone = try await fixture.tool(
      "unlearn", "--recipe", fixture.recipe, "--method", "ga", "--set",
      "settings.ga.training.learning_rate=1e17", "--out", fixture.out("alone"))
    #expect(alone.status == 1 && alone.stderr.contains("smaller learning rate"))
  }

  @Test("--force leaves nothing of the run before, also where the new one fails")
  func force() async throws {
    let fixture = try await UnlearnFixture()
    let out = fixture.out("run")
    try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
    func isThere(_ name: String) -> Bool {
      FileManager.default.fileExists(atPath: out + "/" + name)
    }
    let old = [
      "result.json", "forgetting.json", "forgetting.h5", "salun-seed0.h5", "ft-random-seed3.h5",
    ]
    for name in old + ["recipe.yaml", "ga-best.h5"] {
      try "old".write(toFile: out + "/" + name, atomically: true, encoding: .utf8)
    }
    // What is read must not be among what goes.
    let own = try await fixture.tool(
      "unlearn", "--recipe", fixture.recipe, "--checkpoint", out + "/salun-seed0.h5", "--out", out,
      "--force")
    #expect(own.status == 64 && own.stderr.contains("another --out"), "\(own.stderr)")
    #expect(isThere("salun-seed0.h5") && isThere("result.json"))

    let failed = try await fixture.tool(
      "unlearn", "--recipe", fixture.recipe, "--method", "ga", "--set",
      "settings.ga.training.learning_rate=1e17", "--out", out, "--force")
    #expect(failed.status == 1, "\(failed.stderr)")
    for name in old { #expect(!isThere(name), "\(name)") }
    #expect(isThere("ga-best.h5"))
    #expect(try await fixture.tool("summarize", out).status == 66)
  }

  @Test("Retrain is no reference for a model that DBD trained, and the tool says so")
  func defendedModel() async throws {
    let folder = try TemporaryFolder()
    let outcome = try await Tool()(
      "unlearn", "--checkpoint", ExampleCheckpointTests.folder + "digits-smallcnn-dbd.h5", "--data",
      "digits", "--accept-different-data", "--forget", "class:3", "--reference", "retrain", "--out",
      folder.file("run"))
    #expect(outcome.status == 64 && outcome.stderr.contains("training=recipe"), "\(outcome.stderr)")
  }

  @Test("U-LiRA trains its shadows once, and again gives the same numbers")
  func shadows() async throws {
    let fixture = try await UnlearnFixture()
    func audit(_ name: String) async throws -> ([String: Any], Double) {
      let outcome = try await fixture.tool(
        "unlearn", "--recipe", fixture.recipe, "--shadows", "6", "--out", fixture.out(name),
        "--set", "relearning.enabled=false", "--set", "training=recipe",
        "--set", "retrain={epochs: 2, batch_size: 50, learning_rate: 0.05}",
        "--reference", "retrain", "--set", "augmentation={padding: 1, flip: false}", "--json")
      #expect(outcome.status == 0, "\(outcome.stderr)")
      let json = try #require(outcome.json)
      return (
        try #require((json["details"] as? [String: Any])?["ulira"] as? [String: Any]),
        try #require(json["seconds"] as? Double)
      )
    }
    let (first, _) = try await audit("a")
    #expect(Set(first.keys) == ["original", "retrain", "salun"])
    let salun = try #require(first["salun"] as? [String: Any])
    // 40 of 200 samples are audited by 6 shadows, each of which unlearns half of them.
    #expect(salun["unlearned"] as? Int == 120)
    #expect(salun["unseen"] as? Int == 120)
    let models = try FileManager.default.contentsOfDirectory(atPath: fixture.out("cache"))
    #expect(models.count { $0.hasPrefix("shadow-") } == 6)
    let (second, _) = try await audit("b")
    #expect(NSDictionary(dictionary: first) == NSDictionary(dictionary: second))
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: fixture.out("cache")).sorted()
        == models.sorted())
  }
}
