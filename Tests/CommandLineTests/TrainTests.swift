import BulwarkStore
import Foundation
import Testing

/// A recipe of a few seconds that passes through every stage of both methods.
struct TinyRecipe {
  static let text = """
    threads: 1
    precision: fp32
    checkpoint_interval: 0.2
    methods: [standard, dbd]
    data: {limit: 200, test_limit: 60}
    poison: {attack: badnets, rate: 0.1, target: 3}
    model: {family: small_cnn, width: 4}
    augmentation: {padding: 1, flip: false}
    standard: {epochs: 2, batch_size: 50, learning_rate: 0.05}
    dbd:
      self_supervision: {epochs: 2, batch_size: 50, cosine_epochs: 2}
      head: {epochs: 2, batch_size: 50}
      semi_supervision: {epochs: 2, steps_per_epoch: 3, batch_size: 16, ramp_epochs: 4}
    """

  let folder: TemporaryFolder
  var path: String { folder.file("tiny.yaml") }

  init(_ text: String = TinyRecipe.text) throws {
    folder = try TemporaryFolder()
    try text.write(toFile: folder.file("tiny.yaml"), atomically: true, encoding: .utf8)
  }

  func out(_ name: String) -> String { folder.file(name) }
}

@Suite("bulwark train and bulwark run")
struct TrainTests {
  let tool = Tool()

  @Test("A run leaves recipe, checkpoints, ground truth, suspicion lists and the result object")
  func everything() async throws {
    let recipe = try TinyRecipe()
    let out = recipe.out("run")
    let outcome = try await tool("run", recipe.path, "--out", out, "--json", "--quiet")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    #expect(outcome.stderr.isEmpty)
    let result = try #require(outcome.json)
    let rows = try #require(result["rows"] as? [[String: Any]])
    #expect(rows.map { $0["name"] as? String } == ["undefended", "dbd"])
    for row in rows {
      let metrics = try #require(row["metrics"] as? [String: [String: Any]])
      #expect(metrics["clean_accuracy"]?["n"] as? Int == 60)
      #expect(metrics["attack_success_rate"]?["unit"] as? String == "fraction")
    }
    let outputs = try #require(result["outputs"] as? [String: String])
    #expect(
      Set(outputs.keys) == [
        "recipe", "result", "poison", "pictures", "checkpoint_standard", "checkpoint_dbd",
        "suspicion_json", "suspicion_hdf5",
      ])
    for path in outputs.values { #expect(FileManager.default.fileExists(atPath: path)) }
    #expect((result["recipe"] as? String)?.hasPrefix("sha256:") == true)

    let checkpoint = try Checkpoint(reading: out + "/dbd.h5")
    #expect(checkpoint.progress.stage == "done")
    #expect(checkpoint.indexSets["poisoned"]?.count == 20)
    #expect(checkpoint.indexSets["labeled_pool"]?.count == 100)
    #expect(checkpoint.indexSets["flagged"] != nil)
    #expect(
      checkpoint.recipe == (try String(contentsOfFile: out + "/recipe.yaml", encoding: .utf8)))

    // The checkpoint serves the other commands.
    let evaluated = try await tool(
      "evaluate", out + "/dbd.h5", "--data", "digits", "--trigger", out + "/poison.json",
      "--test-limit", "60", "--json", "--threads", "1", "--precision", "fp32")
    #expect(evaluated.status == 0, "\(evaluated.stderr)")
    let again = try #require(evaluated.json?["metrics"] as? [String: [String: Any]])
    let first = try #require(rows.last?["metrics"] as? [String: [String: Any]])
    for name in ["clean_accuracy", "attack_success_rate"] {
      #expect(again[name]?["value"] as? Double == first[name]?["value"] as? Double)
    }
    try await expectNoOverwrite(recipe, out)
  }

  private func expectNoOverwrite(_ recipe: TinyRecipe, _ out: String) async throws {
    let before = try Data(contentsOf: URL(fileURLWithPath: out + "/dbd.h5"))
    let refused = try await tool("run", recipe.path, "--out", out)
    #expect(refused.status == 73)
    #expect(refused.stderr.contains("--force"))
    #expect(try Data(contentsOf: URL(fileURLWithPath: out + "/dbd.h5")) == before)
    let other = try await tool("run", recipe.path, "--out", out, "--resume", "--seed", "7")
    #expect(other.status == 64)
    #expect(other.stderr.contains("seed"))
  }

  @Test("--dry-run estimates time and memory, and leaves nothing behind")
  func dryRun() async throws {
    let recipe = try TinyRecipe()
    let outcome = try await tool(
      "run", recipe.path, "--out", recipe.out("run"), "--dry-run", "--json")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let metrics = try #require(outcome.json?["metrics"] as? [String: [String: Any]])
    let seconds = try #require(metrics["estimated_seconds"]?["value"] as? Double)
    #expect(seconds > 0)
    let bytes = try #require(metrics["estimated_peak_memory"]?["value"] as? Double)
    #expect(bytes > 50e6 && bytes < 4e9)
    #expect(!FileManager.default.fileExists(atPath: recipe.out("run")))
  }

  @Test(
    "An unknown key, on file or on the command line, is refused and names the nearest valid one")
  func unknownKey() async throws {
    let recipe = try TinyRecipe("dbd: {head: {epcohs: 3}}\n")
    let file = try await tool("run", recipe.path, "--out", recipe.out("run"))
    #expect(file.status == 64)
    #expect(file.stderr.contains("dbd.head.epcohs"))
    #expect(file.stderr.contains("'epochs'"))
    let flag = try await tool("train", "--out", recipe.out("run"), "--set", "model.widht=4")
    #expect(flag.status == 64)
    #expect(flag.stderr.contains("'width'"))
    #expect(!FileManager.default.fileExists(atPath: recipe.out("run")))
  }

  @Test(
    "A setting that makes no sense is refused before anything is written",
    arguments: [
      "methods=[dbdd]", "methods=[]", "model.family=resnet19", "model.width=0", "threads=-1",
      "poison.attack=badnet", "poison.rate=2", "augmentation.jitter=9", "device=gpu",
      "dbd.filter.share=1.5", "nonsense", "precision=fp16", "methods=[dbd",
      "dbd.head.clique_share=2", "dbd.head.shortcut_share=2", "poison.parameters=['kind=sig']",
    ])
  func badSetting(assignment: String) async throws {
    let recipe = try TinyRecipe()
    let outcome = try await tool(
      "run", recipe.path, "--out", recipe.out("run"), "--set", assignment)
    #expect(outcome.status == 64, "\(assignment): \(outcome.stderr)")
    #expect(outcome.stdout.isEmpty)
  }

  @Test("--resume writes nothing into a folder that holds something else than a run")
  func foreignFolder() async throws {
    let recipe = try TinyRecipe()
    let folder = recipe.out("poisoned")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let file = folder + "/poison.json"
    try "mine".write(toFile: file, atomically: true, encoding: .utf8)
    let outcome = try await tool("run", recipe.path, "--out", folder, "--resume")
    #expect(outcome.status == 73 && outcome.stderr.contains("no run"), "\(outcome.stderr)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["poison.json"])
    #expect(try String(contentsOfFile: file, encoding: .utf8) == "mine")
    // What a killed process had begun to write is nobody's work.
    try FileManager.default.moveItem(
      atPath: file, toPath: folder + "/.recipe.yaml.partial-0123abcd-1-x")
    let begun = try await tool("run", recipe.path, "--out", folder, "--resume", "--dry-run")
    #expect(begun.status == 0, "\(begun.stderr)")
  }

  @Test("A recipe in another encoding than UTF-8 is named as such")
  func encoding() async throws {
    let recipe = try TinyRecipe()
    let path = recipe.out("latin.yaml")
    try Data([0x23, 0x20, 0xe9, 0x0a]).write(to: URL(fileURLWithPath: path))
    let outcome = try await tool("run", path, "--out", recipe.out("run"))
    #expect(outcome.status == 65 && outcome.stderr.contains("UTF-8"), "\(outcome.stderr)")
  }

  @Test("Flags that describe an attack are refused where none is chosen, unless that is said")
  func idleAttack() async throws {
    let folder = try TemporaryFolder()
    func train(_ more: String...) async throws -> Tool.Outcome {
      try await tool.start(
        [
          "train", "--data", "digits", "--limit", "200", "--method", "standard", "--model",
          "small_cnn", "--width", "4", "--dry-run", "--out", folder.file("run"), "--rate", "0.5",
          "--target", "77", "--trigger", "nope.png",
        ] + more
      ).outcome()
    }
    let refused = try await train()
    #expect(refused.status == 64, "\(refused.stderr)")
    #expect(refused.stderr.contains("--rate, --target, --trigger would have no effect"))
    #expect(refused.stderr.contains("--attack"))
    let meant = try await train("--attack", "none")
    #expect(meant.status == 0, "\(meant.stderr)")
    let chosen = try await train("--set", "poison.attack=badnets")
    #expect(chosen.status == 66 && chosen.stderr.contains("nope.png"), "\(chosen.stderr)")
  }

  @Test("A folder in the place of a recipe is named as one, with the recipe in it")
  func folder() async throws {
    let recipe = try TinyRecipe()
    let empty = try await tool("run", recipe.folder.url.path, "--out", recipe.out("run"))
    #expect(empty.status == 65 && empty.stderr.contains("is a folder"), "\(empty.stderr)")
    #expect(empty.stderr.contains("Give a YAML file."), "\(empty.stderr)")
    let inside = recipe.out("recipe.yaml")
    try TinyRecipe.text.write(toFile: inside, atomically: true, encoding: .utf8)
    let run = try await tool("train", "--recipe", recipe.folder.url.path, "--dry-run")
    #expect(run.status == 65 && run.stderr.contains("recipe in it, '\(inside)'"), "\(run.stderr)")
  }

  @Test("A missing recipe or data set is exit code 66")
  func missing() async throws {
    let recipe = try TinyRecipe()
    #expect(try await tool("run", "/nonexistent.yaml").status == 66)
    let outcome = try await tool(
      "run", recipe.path, "--out", recipe.out("run"), "--set", "data.path=/nonexistent")
    #expect(outcome.status == 66)
    #expect(!FileManager.default.fileExists(atPath: recipe.out("run")))
  }
}
