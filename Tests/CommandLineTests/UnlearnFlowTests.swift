import BulwarkStore
import BulwarkTensor
import Foundation
import Testing

/// What `bulwark unlearn` is for, at smoke size.
@Suite("The flows that unlearning serves")
struct UnlearnFlowTests {
  let tool = Tool()

  private static func recipe(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Recipes/unlearning/\(name)").path
  }

  /// Runs a command that must succeed and gives its JSON.
  private func run(_ arguments: [String]) async throws -> [String: Any] {
    let precision = arguments.first == "run" ? ["--precision", "fp32"] : []
    let outcome = try await tool.start(arguments + precision + ["--json", "--quiet"]).outcome()
    try #require(outcome.status == 0, "\(arguments): \(outcome.stderr)")
    return try #require(outcome.json)
  }

  private func metrics(_ result: [String: Any], row: String) throws -> [String: Double] {
    let rows = try #require(result["rows"] as? [[String: Any]])
    let found = try #require(rows.first { $0["name"] as? String == row })
    let metrics = try #require(found["metrics"] as? [String: [String: Any]])
    return metrics.compactMapValues { $0["value"] as? Double }
  }

  @Test("A backdoor is unlearned: attack success gone, clean accuracy kept, also by rough lists")
  func backdoor() async throws {
    let folder = try TemporaryFolder()
    _ = try await run([
      "data", "poison", "--data", "digits", "--attack", "badnets", "--parameter",
      "patch=corner-3x3", "--out", folder.file("poisoned"),
    ])
    let data = folder.file("poisoned") + "/data.h5"
    _ = try await run([
      "run", Self.recipe("digits-backdoor-original.yaml"), "--set", "data.path=\(data)", "--set",
      "standard.epochs=20", "--out", folder.file("original"),
    ])
    // The true list, and two of which only four or three in five are poisons.
    let manifest = folder.file("poisoned") + "/poison.json"
    let poisons = try ForgetLists.poisons(manifest)
    func list(precision: Double) throws -> String {
      let path = folder.file("rough-\(precision).csv")
      let wrong = Int(Double(poisons.count) * (1 - precision) / precision)
      let innocent = (0..<1437).filter { !poisons.contains($0) }.prefix(wrong)
      try (poisons + innocent).map(String.init).joined(separator: "\n")
        .write(toFile: path, atomically: true, encoding: .utf8)
      return path
    }
    let lists = [
      ("true", manifest, 0.03), ("four", try list(precision: 0.8), 0.08),
      ("three", try list(precision: 0.6), 0.08),
    ]
    for (name, list, most) in lists {
      let result = try await run([
        "run", Self.recipe("digits-backdoor.yaml"), "--set", "data.path=\(data)", "--set",
        "checkpoint=\(folder.file("original"))/standard.h5", "--set", "forget=\(list)", "--out",
        folder.file("unlearned-" + name), "--set", "relearning.enabled=false",
      ])
      let (before, after) = (
        try metrics(result, row: "original"), try metrics(result, row: "salun")
      )
      #expect(try #require(before["attack_success_rate"]) > 0.95)
      #expect(try #require(after["attack_success_rate"]) <= most)
      let lost = try #require(before["test_accuracy"]) - #require(after["test_accuracy"])
      #expect(lost <= (most == 0.03 ? 0.015 : 0.03))
    }
  }

  @Test("What a defended model disputes is unlearned from the model that learned it")
  func flaggedBackdoor() async throws {
    let folder = try TemporaryFolder()
    let examples = ExampleCheckpointTests.folder
    _ = try await run([
      "data", "poison", "--data", "digits", "--attack", "badnets", "--parameter",
      "patch=corner-3x3", "--seed", "1", "--out", folder.file("poisoned"),
    ])
    let data = folder.file("poisoned") + "/data.h5"
    let victim = examples + "digits-smallcnn-undefended.h5"
    // The model that learned the poisons agrees with them.
    let blind = try await tool(
      "flag", victim, "--data", data, "--out", folder.file("blind"), "--json")
    #expect((blind.json?["details"] as? [String: Any])?["flagged"] as? Int == 0)
    #expect(blind.stderr.contains("DBD"))
    let flagged = try await run([
      "flag", examples + "digits-smallcnn-dbd.h5", "--data", data, "--out", folder.file("list"),
    ])
    let found = try #require(flagged["metrics"] as? [String: [String: Any]])
    #expect(try #require(found["flagged_recall"]?["value"] as? Double) > 0.95)
    let result = try await run([
      "run", Self.recipe("digits-backdoor.yaml"), "--set", "data.path=\(data)", "--set",
      "checkpoint=\(victim)", "--set", "forget=\(folder.file("list")).json", "--out",
      folder.file("unlearned"), "--set", "relearning.enabled=false",
    ])
    let (before, after) = (
      try metrics(result, row: "original"), try metrics(result, row: "salun")
    )
    #expect(try #require(before["attack_success_rate"]) > 0.95)
    #expect(try #require(after["attack_success_rate"]) <= 0.08)
    let lost = try #require(before["test_accuracy"]) - #require(after["test_accuracy"])
    #expect(lost <= 0.03)
  }

  @Test("A class is forgotten: its own accuracy falls to that of Retrain, the others' stays")
  func oneClass() async throws {
    let fixture = try await UnlearnFixture()
    let result = try await run([
      "unlearn", "--recipe", fixture.recipe, "--forget", "class:0", "--out", fixture.out("class"),
      "--set", "settings.salun.training={epochs: 12, batch_size: 25, learning_rate: 0.02}",
      "--set", "relearning.enabled=false", "--reference", "retrain",
    ])
    let (before, after) = (try metrics(result, row: "original"), try metrics(result, row: "salun"))
    let reference = try metrics(result, row: "retrain")
    let (own, aim) = (
      try #require(after["unlearning_accuracy"]), try #require(reference["unlearning_accuracy"])
    )
    #expect(try #require(before["unlearning_accuracy"]) < 0.5)
    #expect(aim > 0.8 && own > 0.8 && abs(own - aim) < 0.2)
    #expect(
      try #require(after["retain_accuracy"]) > #require(before["retain_accuracy"]) - 0.05)
  }

  @Test("Half of the data is forgotten, with a mask from a part of it, and held against Retrain")
  func half() async throws {
    let fixture = try await UnlearnFixture()
    let result = try await run([
      "unlearn", "--recipe", fixture.recipe, "--forget", "random:0.5", "--reference", "retrain",
      "--set", "mask.samples=50", "--set", "settings.salun.label_draw=once", "--set",
      "relearning.enabled=false", "--out", fixture.out("half"),
    ])
    let details = try #require(result["details"] as? [String: Any])
    #expect(details["forget_samples"] as? Int == 100)
    let salun = try metrics(result, row: "salun")
    #expect(salun["average_gap"] != nil)
    #expect(salun["movement_outside_mask"] == 0)
    let checkpoint = try Checkpoint(reading: fixture.out("half") + "/salun-seed0.h5")
    #expect(checkpoint.indexSets["forget"]?.count == 100)
    let (before, aim) = (try metrics(result, row: "original"), try metrics(result, row: "retrain"))
    #expect(
      try #require(aim["unlearning_accuracy"]) > #require(before["unlearning_accuracy"]))
  }

  @Test("Weights from PyTorch are imported, unlearned and exported again under the same names")
  func pyTorch() async throws {
    let fixture = try await UnlearnFixture()
    // PyTorch wrote it (Scripts/fixtures/exchange.py).
    let given = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fixtures/resnet18.pt").path
    let weights = try PyTorchFile.read(given).tensors
    _ = try await run([
      "checkpoint", "import", given, "--model", "resnet18", "--width", "4", "--classes", "10",
      "--mean", "0.5", "0.5", "0.5", "--std", "0.25", "0.25", "0.25", "--out",
      fixture.out("imported.h5"),
    ])
    _ = try await run([
      "unlearn", "--checkpoint", fixture.out("imported.h5"), "--data", "digits", "--limit", "60",
      "--forget", "random:0.2", "--set", "settings.salun.training.epochs=1", "--threads", "1",
      "--precision", "fp32", "--out", fixture.out("unlearned"), "--set",
      "relearning.enabled=false", "--set", "data.test_limit=30", "--set", "data.channels=3",
      "--set", "data.image_size=32",
    ])
    let checkpoint = fixture.out("unlearned") + "/salun-seed0.h5"
    _ = try await run(["checkpoint", "export", checkpoint, "--out", fixture.out("back.pt")])
    let exported = try PyTorchFile.read(fixture.out("back.pt")).tensors
    let unlearned = try Checkpoint(reading: checkpoint).weights
    #expect(Set(exported.names) == Set(weights.names))
    for entry in unlearned {
      let tensor = try #require(exported[entry.name])
      #expect(try tensor.doubles() == entry.tensor.doubles(), "\(entry.name)")
    }
    let first = try #require(unlearned["conv1.weight"])
    #expect(try first.doubles() != #require(weights["conv1.weight"]).doubles())
  }
}

/// Ground truth for the flows.
enum ForgetLists {
  static func poisons(_ manifest: String) throws -> [Int] {
    let value = try JSONValue(parsing: String(contentsOfFile: manifest, encoding: .utf8))
    return try #require(try value["poisonedIndices"]?.decode(as: [Int].self))
  }
}
