import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

/// A ResNet-18 that PyTorch trained (Scripts/fixtures/exchange.py), taken in and given back.
@Suite("A network that was trained elsewhere")
struct ExchangeTests {
  let tool = Tool()
  private static let bound = 1e-4
  private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path
  private static let fixtures = repository + "/Tests/CommandLineTests/Fixtures/"
  private static let python = ProcessInfo.processInfo.environment["BULWARK_PYTHON"] ?? "python3"
  private static let hasPyTorch = (try? runPython(["-c", "import torch, safetensors"])) == 0

  /// Exit status of the interpreter.
  private static func runPython(_ arguments: [String]) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [python] + arguments
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
  }

  /// Imports a fixture with the tool.
  private func imported(_ format: String, into folder: TemporaryFolder) async throws -> String {
    let path = folder.file("model.h5")
    let outcome = try await tool(
      "checkpoint", "import", Self.fixtures + "resnet18." + format, "--out", path, "--model",
      "resnet18", "--width", "4", "--classes", "10", "--mean", "0.5", "0.5", "0.5", "--std", "0.25",
      "0.25", "0.25")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    return path
  }

  /// The largest difference to PyTorch's logits on the stored images.
  private func difference(_ checkpoint: Checkpoint) throws -> Double {
    let stored = try Safetensors.read(Self.fixtures + "resnet18-logits.safetensors").tensors
    let (images, expected) = (try #require(stored["images"]), try #require(stored["logits"]))
    #expect(images.shape == [8, 3, 32, 32] && expected.shape == [8, 10])
    let model = try ImageClassifier.restored(from: checkpoint)
    let logits = try withoutGradients { try model.logits(images, .evaluation) }
    #expect(try logits.argmax(1).integers() == expected.argmax(1).integers())
    return try (logits - expected).abs().max().item()
  }

  @Test("It gives PyTorch's logits, from either format", arguments: ["pt", "safetensors"])
  func sameLogits(format: String) async throws {
    let folder = try TemporaryFolder()
    let checkpoint = try Checkpoint(reading: try await imported(format, into: folder))
    #expect(try difference(checkpoint) <= Self.bound)
  }

  @Test("A weight that is 1 % off would be noticed")
  func otherLogits() async throws {
    let folder = try TemporaryFolder()
    var checkpoint = try Checkpoint(reading: try await imported("pt", into: folder))
    let name = "layer3.0.conv2.weight"
    checkpoint.weights[name] = try #require(checkpoint.weights[name]) * 1.01
    #expect(try difference(checkpoint) > Self.bound)
  }

  @Test(
    "PyTorch loads what is exported and gets its own logits back",
    .enabled(if: hasPyTorch, "needs Python with torch and safetensors; BULWARK_PYTHON names one"))
  func back() async throws {
    let folder = try TemporaryFolder()
    let path = try await imported("safetensors", into: folder)
    let exported = ["pt", "safetensors"].map { folder.file("back." + $0) }
    for file in exported {
      let outcome = try await tool("checkpoint", "export", path, "--out", file)
      #expect(outcome.status == 0, "\(outcome.stderr)")
    }
    let script = Self.repository + "/Scripts/fixtures/exchange.py"
    #expect(try Self.runPython([script, "check"] + exported) == 0)

    // The script notices a file that holds other weights.
    var checkpoint = try Checkpoint(reading: path)
    checkpoint.weights["fc.bias"] = try #require(checkpoint.weights["fc.bias"]) + 0.01
    let other = folder.file("other.safetensors")
    try Safetensors.write(checkpoint.weights, to: other)
    #expect(try Self.runPython([script, "check", other]) == 1)
  }

  /// Compares the logits of a state dict with stored ones: folder of `models.py`, stored images and
  /// logits, state dict, bound.
  private static let comparison = """
    import sys, torch
    from safetensors.torch import load_file
    sys.path.insert(0, sys.argv[1])
    from models import build
    stored, path, bound = load_file(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    read = load_file if path.endswith(".safetensors") else lambda path: torch.load(path, weights_only=True)
    model = build("resnet18", 4, 10).eval()
    model.load_state_dict(read(path))
    with torch.no_grad():
        difference = (model(stored["images"]) - stored["logits"]).abs().max().item()
    sys.exit(0 if difference <= bound else 2)
    """

  @Test(
    "What PyTorch trained is unlearned from here, and PyTorch gets Bulwark's logits of the result",
    .enabled(if: hasPyTorch, "needs Python with torch and safetensors; BULWARK_PYTHON names one"))
  func unlearned() async throws {
    let folder = try TemporaryFolder()
    let given = try await imported("pt", into: folder)
    let outcome = try await tool(
      "unlearn", "--checkpoint", given, "--data", "digits", "--limit", "60", "--forget",
      "random:0.2", "--set", "data.channels=3", "--set", "data.image_size=32", "--set",
      "data.test_limit=30", "--set", "settings.salun.training.epochs=1", "--set",
      "relearning.enabled=false", "--threads", "1", "--precision", "fp32", "--out",
      folder.file("unlearned"))
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let path = folder.file("unlearned") + "/salun-seed0.h5"
    let model = try ImageClassifier.restored(from: Checkpoint(reading: path))
    let before = Self.fixtures + "resnet18-logits.safetensors"
    let images = try #require(try Safetensors.read(before).tensors["images"])
    let logits = try withoutGradients { try model.logits(images, .evaluation) }
    let after = folder.file("logits.safetensors")
    try Safetensors.write(StateDict([("images", images), ("logits", logits)]), to: after)
    for format in ["pt", "safetensors"] {
      let back = folder.file("back." + format)
      let exported = try await tool("checkpoint", "export", path, "--out", back)
      #expect(exported.status == 0, "\(exported.stderr)")
      // 2 tells that the logits differ: those of the network before it unlearned do.
      for (stored, status) in [(after, Int32(0)), (before, Int32(2))] {
        let found = try Self.runPython([
          "-c", Self.comparison, Self.repository + "/Scripts/fixtures", stored, back,
          "\(Self.bound)",
        ])
        #expect(found == status, "\(format) against \(stored)")
      }
    }
  }
}
