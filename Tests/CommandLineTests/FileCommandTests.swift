import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import Foundation
import Testing

@Suite("bulwark data poison, flag and checkpoint")
struct FileCommandTests {
  let tool = Tool()

  /// An untrained small network for the digits, as a checkpoint file.
  private func writeCheckpoint(
    to path: String, suspecting suspects: [Int] = [], recipe: String? = nil,
    quarantine: [Int] = [], of data: ImageDataset? = nil
  ) throws {
    let architecture = Architecture(.smallCNN, width: 4, classes: 10, channels: 1)
    let model = try architecture.build(key: RandomKey(seed: 1))
    var checkpoint = Checkpoint(
      weights: StateDict(try model.state.snapshot().map { ($0.name, $0.tensor) }),
      architecture: try JSONValue(encoding: architecture),
      normalization: .init(mean: [0.3], std: [0.35]), classNames: (0...9).map(String.init),
      recipe: recipe
    )
    if let data { checkpoint.fingerprints["train"] = try data.fingerprint }
    if !quarantine.isEmpty { checkpoint.indexSets["quarantine"] = quarantine }
    if !suspects.isEmpty {
      checkpoint.states["suspected_classes"] = StateDict([("value", try Tensor(suspects))])
    }
    try checkpoint.write(to: path)
  }

  @Test("data poison writes data, manifest and pictures; the poison is where the manifest says")
  func poison() async throws {
    let folder = try TemporaryFolder()
    let out = folder.file("poisoned")
    let arguments = [
      "data", "poison", "--data", "digits", "--attack", "badnets", "--rate", "0.1", "--out", out,
      "--json", "--quiet",
    ]
    let outcome = try await tool.start(arguments).outcome()
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let details = try #require(outcome.json?["details"] as? [String: Any])
    #expect(details["poisoned"] as? Int == 144)
    for name in ["data.h5", "poison.json", "pictures.png"] {
      #expect(FileManager.default.fileExists(atPath: out + "/" + name))
    }
    let file = try DatasetFile(reading: out + "/data.h5")
    let poisoned = try #require(file.indexSets["poisoned"])
    #expect(poisoned.count == 144)
    #expect(poisoned.allSatisfy { file.labels[$0] == 3 })
    let manifest = try JSONValue(
      parsing: String(contentsOfFile: out + "/poison.json", encoding: .utf8))
    #expect(try manifest["poisonedIndices"]?.decode(as: [Int].self) == poisoned)

    let dry = try await tool(
      "data", "poison", "--data", "digits", "--attack", "badnets", "--dry-run", "--out",
      folder.file("new/a/b"))
    #expect(dry.status == 0, "\(dry.stderr)")
    #expect(!FileManager.default.fileExists(atPath: folder.file("new")))

    let refused = try await tool.start(arguments).outcome()
    #expect(refused.status == 73)
    let forced = try await tool.start(arguments + ["--force"]).outcome()
    #expect(forced.status == 0, "\(forced.stderr)")
    let inspected = try await tool("data", "inspect", out + "/data.h5", "--json")
    let seen = try #require(inspected.json?["details"] as? [String: Any])
    let train = try #require(seen["train"] as? [String: Any])
    #expect(train["fingerprint"] as? String == details["fingerprint"] as? String)
  }

  @Test(
    "A wrong attack or parameter is exit code 64 and names the nearest valid one",
    arguments: [
      (["--attack", "badnet"], "badnets"),
      (["--attack", "blended", "--parameter", "alfa=0.2"], "alpha"),
      (["--attack", "badnets", "--target", "10"], "target"),
      (["--attack", "badnets", "--rate", "1.5"], "rate"),
      (["--attack", "label-consistent"], "classifier"),
    ])
  func wrongAttack(arguments: [String], hint: String) async throws {
    let folder = try TemporaryFolder()
    let outcome = try await tool.start(
      ["data", "poison", "--data", "digits", "--out", folder.file("out")] + arguments
    ).outcome()
    #expect(outcome.status == 64, "\(outcome.stderr)")
    #expect(outcome.stderr.contains(hint))
    #expect(!FileManager.default.fileExists(atPath: folder.file("out")))
  }

  @Test("flag ranks every sample, most suspicious first, in JSON and HDF5 alike")
  func flag() async throws {
    let folder = try TemporaryFolder()
    try writeCheckpoint(to: folder.file("model.h5"))
    try "[1, 5, 9]".write(toFile: folder.file("truth.json"), atomically: true, encoding: .utf8)
    let outcome = try await tool(
      "flag", folder.file("model.h5"), "--data", "digits", "--limit", "100", "--count", "7",
      "--truth", folder.file("truth.json"), "--out", folder.file("list"), "--json", "--threads", "1"
    )
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let metrics = try #require(outcome.json?["metrics"] as? [String: Any])
    #expect(metrics["suspicion_auc"] != nil)
    let list = try SuspicionList(folder.file("list.json"))
    let samples = list.samples
    #expect(samples.map(\.index).sorted() == Array(0..<100))
    #expect(samples.map(\.score) == samples.map(\.score).sorted(by: >))
    #expect(list.flagged == samples.prefix(7).map(\.index))
    guard case .dataset(let indices) = try HDF5File.open(folder.file("list.h5")).root.child("index")
    else {
      Issue.record("list.h5 has no data set 'index'")
      return
    }
    let stored = try indices.bytes().withUnsafeBytes { $0.bindMemory(to: Int64.self).map(Int.init) }
    #expect(stored == samples.map(\.index))
  }

  @Test("Weights of another architecture are an error that names the file")
  func otherArchitecture() async throws {
    let folder = try TemporaryFolder()
    try writeCheckpoint(to: folder.file("model.h5"))
    var checkpoint = try Checkpoint(reading: folder.file("model.h5"))
    checkpoint.architecture = try JSONValue(
      encoding: Architecture(.smallCNN, width: 8, classes: 10, channels: 1))
    try checkpoint.write(to: folder.file("other.h5"))
    let outcome = try await tool("evaluate", folder.file("other.h5"), "--data", "digits")
    #expect(outcome.status == 65)
    #expect(outcome.stderr.contains("other.h5: the weights do not fit"), "\(outcome.stderr)")
  }

  @Test("flag puts what DBD left out first, and says so when the data are not the run's own")
  func flagQuarantine() async throws {
    let folder = try TemporaryFolder()
    let data = try DataSource.load("digits", options: DataOptions(limit: 100)).train
    try writeCheckpoint(
      to: folder.file("model.h5"), suspecting: [3], quarantine: [7, 42], of: data)
    func flagged(limit: String) async throws -> (positions: [Int], said: String) {
      let outcome = try await tool(
        "flag", folder.file("model.h5"), "--data", "digits", "--limit", limit, "--count", "2",
        "--threads", "1", "--out", folder.file("list-" + limit))
      #expect(outcome.status == 0, "\(outcome.stderr)")
      return (try SuspicionList(folder.file("list-\(limit).json")).flagged, outcome.stderr)
    }
    let own = try await flagged(limit: "100")
    #expect(Set(own.positions) == [7, 42] && !own.said.contains("not the training set"))
    let other = try await flagged(limit: "90")
    #expect(Set(other.positions) != [7, 42] && other.said.contains("not the training set"))
  }

  @Test("flag keeps to the classes that DBD suspected; --all-classes does not")
  func flagSuspectedClasses() async throws {
    let folder = try TemporaryFolder()
    try writeCheckpoint(to: folder.file("model.h5"), suspecting: [3, 8])
    func flagged(_ name: String, _ more: String...) async throws -> (labels: [Int], all: Int) {
      let outcome = try await tool.start(
        [
          "flag", folder.file("model.h5"), "--data", "digits", "--limit", "100", "--threads", "1",
          "--out", folder.file(name), "--json",
        ] + more
      ).outcome()
      #expect(outcome.status == 0, "\(outcome.stderr)")
      let list = try SuspicionList(folder.file(name + ".json"))
      return (list.flaggedSamples.map(\.given_label), list.samples.count)
    }
    let suspected = try await flagged("suspected")
    #expect(!suspected.labels.isEmpty && suspected.all == 100)
    #expect(Set(suspected.labels).isSubset(of: [3, 8]))
    #expect(try await flagged("four", "--count", "4").labels.allSatisfy { [3, 8].contains($0) })
    #expect(Set(try await flagged("all", "--all-classes").labels).count > 2)

    try writeCheckpoint(to: folder.file("strange.h5"), suspecting: [12])
    let strange = try await tool(
      "flag", folder.file("strange.h5"), "--data", "digits", "--limit", "100", "--out",
      folder.file("list"))
    #expect(strange.status == 65 && strange.stderr.contains("--all-classes"), "\(strange.stderr)")
  }

  @Test("flag measures against the ground truth that data poison wrote")
  func flagTruth() async throws {
    let folder = try TemporaryFolder()
    try writeCheckpoint(to: folder.file("model.h5"))
    let poisoned = try await tool(
      "data", "poison", "--data", "digits", "--limit", "100", "--attack", "badnets", "--rate",
      "0.1", "--out", folder.file("poisoned"))
    #expect(poisoned.status == 0, "\(poisoned.stderr)")
    func metrics(_ name: String, _ more: String...) async throws -> NSDictionary {
      let outcome = try await tool.start(
        [
          "flag", folder.file("model.h5"), "--data", folder.file("poisoned") + "/data.h5",
          "--threads", "1", "--out", folder.file(name), "--json",
        ] + more
      ).outcome()
      #expect(outcome.status == 0, "\(outcome.stderr)")
      let metrics = try #require(outcome.json?["metrics"] as? [String: Any])
      #expect((metrics["flagged_recall"] as? [String: Any])?["n"] as? Int == 10)
      return NSDictionary(dictionary: metrics)
    }
    // The data set itself knows its poisons, too.
    let known = try await metrics("known")
    #expect(try await metrics("told", "--truth", folder.file("poisoned") + "/poison.json") == known)

    #expect(known["poisons_in_labeled_pool"] == nil, "flag trains on no pool")
    let other = try await tool(
      "flag", folder.file("model.h5"), "--data", "digits", "--limit", "100", "--out",
      folder.file("never"), "--truth", folder.file("poisoned") + "/poison.json")
    #expect(other.status == 65, "\(other.stderr)")

    try "[100]".write(toFile: folder.file("wrong.json"), atomically: true, encoding: .utf8)
    for (list, status, words) in [("wrong.json", 65, "0...99"), ("none.json", 66, "none.json")] {
      let outcome = try await tool(
        "flag", folder.file("model.h5"), "--data", "digits", "--limit", "100", "--out",
        folder.file("never"), "--truth", folder.file(list))
      #expect(outcome.status == Int32(status), "\(outcome.stderr)")
      #expect(outcome.stderr.contains(words), "\(outcome.stderr)")
    }
  }

  @Test("evaluate and flag name the very checkpoint that they measured, and its recipe")
  func checkpointDigest() async throws {
    let folder = try TemporaryFolder()
    let recipe = "methods: [standard]\n"
    let commands = [
      ["evaluate", "--test-limit", "30"], ["flag", "--limit", "30", "--out", folder.file("list")],
    ]
    for (name, text) in [("with.h5", recipe), ("without.h5", nil)] {
      let path = folder.file(name)
      try writeCheckpoint(to: path, recipe: text)
      let digest = try Checkpoint.inspectSummary(path).digest
      for command in commands {
        let outcome = try await tool.start(
          [command[0], path] + command.dropFirst()
            + ["--data", "digits", "--threads", "1", "--json"]
            + (command[0] == "flag" ? ["--force"] : [])
        ).outcome()
        #expect(outcome.status == 0, "\(outcome.stderr)")
        let inputs = try #require(outcome.json?["inputs"] as? [String: Any])
        #expect(inputs["checkpoint_digest"] as? String == digest)
        #expect(
          inputs["checkpoint_recipe"] as? String
            == text.map { "sha256:\(SHA256Digest(of: $0))" })
      }
    }
  }

  @Test("inspect shows a checkpoint; verify is 0 for an intact file and 2 for a damaged one")
  func inspectAndVerify() async throws {
    let folder = try TemporaryFolder()
    let path = folder.file("model.h5")
    try writeCheckpoint(to: path)
    let inspected = try await tool("checkpoint", "inspect", path, "--json")
    #expect(inspected.status == 0, "\(inspected.stderr)")
    let details = try #require(inspected.json?["details"] as? [String: Any])
    #expect((details["weights"] as? [Any])?.isEmpty == false)
    #expect(try await tool("checkpoint", "inspect", path).stdout.contains("small_cnn"))
    #expect(try await tool("checkpoint", "verify", path).status == 0)

    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    let verified = try await tool("checkpoint", "verify", path, "--json")
    #expect(verified.status == 2)
    #expect((verified.json?["details"] as? [String: Any])?["intact"] as? Bool == false)
    #expect(try await tool("checkpoint", "inspect", path).status == 65)
    let evaluated = try await tool("evaluate", path, "--data", "digits")
    #expect(evaluated.status == 65)
    // What the error advises exists.
    #expect(evaluated.stderr.contains("`bulwark checkpoint inspect --edited`"))
    let help = try await tool("checkpoint", "inspect", "--help")
    #expect(help.stdout.contains("--edited"))
    #expect(try await tool("checkpoint", "inspect", folder.file("none.h5")).status == 66)
  }

  @Test(
    "Weights survive export and import, by safetensors and by PyTorch",
    arguments: ["safetensors", "pt"])
  func exchange(format: String) async throws {
    let folder = try TemporaryFolder()
    let (path, weights, back) = (
      folder.file("model.h5"), folder.file("weights." + format), folder.file("back.h5")
    )
    try writeCheckpoint(to: path)
    let exported = try await tool("checkpoint", "export", path, "--out", weights)
    #expect(exported.status == 0, "\(exported.stderr)")
    let arguments = [
      "checkpoint", "import", weights, "--out", back, "--model", "small_cnn", "--width", "4",
      "--classes", "10", "--channels", "1", "--mean", "0.3", "--std", "0.35",
    ]
    let imported = try await tool.start(arguments).outcome()
    #expect(imported.status == 0, "\(imported.stderr)")
    let (first, second) = (try Checkpoint.weights(of: path), try Checkpoint.weights(of: back))
    #expect(first.names.sorted() == second.names.sorted())
    for entry in first {
      #expect(try second[entry.name]?.doubles() == (try entry.tensor.doubles()), "\(entry.name)")
    }
    #expect(try await tool.start(arguments).outcome().status == 73)
    #expect(try await tool("checkpoint", "export", path, "--out", weights).status == 73)
    #expect(
      try await tool("checkpoint", "export", path, "--out", folder.file("w.onnx")).status == 64)
    let other = try await tool(
      "checkpoint", "import", weights, "--out", folder.file("other.h5"), "--model", "resnet18",
      "--classes", "10")
    #expect(other.status == 65)
  }

  @Test(
    "A normalization inside the network becomes the checkpoint's; unnamed classes fit any names")
  func importedNormalization() async throws {
    let folder = try TemporaryFolder()
    try writeCheckpoint(to: folder.file("model.h5"))
    let layers = try Checkpoint.weights(of: folder.file("model.h5"))
    try Safetensors.write(
      StateDict(
        layers.map { ($0.name, $0.tensor) } + [
          ("normalize.mean", try Tensor([Float(0.25)], shape: [1])),
          ("normalize.std", try Tensor([Float(0.5)], shape: [1])),
        ]), to: folder.file("w.safetensors"))
    func run(_ arguments: String...) async throws -> Tool.Outcome {
      try await tool.start(
        [
          "checkpoint", "import", folder.file("w.safetensors"), "--model", "small_cnn", "--width",
          "4", "--classes", "10", "--channels", "1",
        ] + arguments
      ).outcome()
    }
    let outcome = try await run("--out", folder.file("back.h5"))
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let back = try Checkpoint(reading: folder.file("back.h5"))
    #expect(back.normalization == .init(mean: [0.25], std: [0.5]))
    #expect(back.weights.names.sorted() == layers.names.sorted())
    let told = try await run("--out", folder.file("told.h5"), "--mean", "0.3", "--std", "0.4")
    #expect(told.status == 0, "\(told.stderr)")
    let own = try Checkpoint(reading: folder.file("told.h5")).normalization
    #expect(own == .init(mean: [0.3], std: [0.4]))
    let used = try await tool(
      "evaluate", folder.file("back.h5"), "--data", "digits", "--test-limit", "20", "--json")
    #expect(used.status == 0, "\(used.stderr)")
  }

  @Test("evaluate with a trigger that is not there is exit code 66; one that is none, 65")
  func missingTrigger() async throws {
    let folder = try TemporaryFolder()
    try writeCheckpoint(to: folder.file("model.h5"))
    try "[]".write(toFile: folder.file("list.json"), atomically: true, encoding: .utf8)
    for (name, status) in [("none.json", 66), ("list.json", 65)] {
      let outcome = try await tool(
        "evaluate", folder.file("model.h5"), "--data", "digits", "--trigger", folder.file(name))
      #expect(outcome.status == Int32(status), "\(outcome.stderr)")
      #expect(outcome.stderr.contains(name), "\(outcome.stderr)")
    }
  }

  @Test("A model and data that do not fit each other are refused in words")
  func mismatch() async throws {
    let folder = try TemporaryFolder()
    try writeCheckpoint(to: folder.file("model.h5"))
    let outcome = try await tool(
      "evaluate", folder.file("model.h5"), "--data", "digits", "--channels", "3")
    #expect(outcome.status == 65)
    #expect(outcome.stderr.contains("--channels 1"))
  }
}
