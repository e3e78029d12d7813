import Foundation
import Testing

@Suite("Promises of every subcommand")
struct GeneralPromiseTests {
  let tool = Tool()

  @Test("--help and --version answer without LibTorch")
  func helpNeedsNoLibTorch() async throws {
    var tool = Tool()
    tool.environment = ["BULWARK_LIBTORCH": "/nonexistent", "BULWARK_SHIM": "/nonexistent"]
    for arguments in [["--help"], ["--version"], ["data", "inspect", "--help"]] {
      let outcome = try await tool.start(arguments).outcome()
      #expect(outcome.status == 0)
      #expect(outcome.stderr.isEmpty)
      #expect(!outcome.stdout.isEmpty)
    }
  }

  @Test("A missing LibTorch is one sentence of what happened and one of what to do, exit code 66")
  func missingLibTorch() async throws {
    var tool = Tool()
    tool.environment = ["BULWARK_LIBTORCH": "/nonexistent"]
    let outcome = try await tool("data", "inspect", "digits")
    #expect(outcome.status == 66)
    #expect(outcome.stdout.isEmpty)
    let lines = outcome.stderr.split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines.first?.contains("LibTorch 2.11.0 was not found in /nonexistent") == true)
    #expect(lines.last?.contains("Scripts/setup") == true)
    let verbose = try await tool("data", "inspect", "digits", "--verbose")
    #expect(verbose.stderr.contains("because: "))
  }

  @Test("A LibTorch that is no library is refused in one sentence")
  func wrongLibTorch() async throws {
    let folder = try TemporaryFolder()
    let libraries = folder.url.appendingPathComponent("torch/lib")
    try FileManager.default.createDirectory(at: libraries, withIntermediateDirectories: true)
    for name in ["libc10.so", "libtorch_cpu.so"] {
      try Data("no library".utf8).write(to: libraries.appendingPathComponent(name))
    }
    var tool = Tool()
    tool.environment = ["BULWARK_LIBTORCH": folder.url.path]
    let outcome = try await tool("data", "inspect", "digits")
    #expect(outcome.status == 66)
    #expect(outcome.stderr.split(separator: "\n").count == 2)
    #expect(outcome.stderr.contains("could not be loaded"))
  }

  @Test(
    "Wrong usage is exit code 64",
    arguments: [
      ["nonsense"], ["data", "inspect"], ["data", "inspect", "digits", "--limit", "0"],
      ["data", "inspect", "digits", "--nonsense"],
      ["data", "inspect", "digits", "--channels", "2"],
      ["data", "inspect", "digits", "--quiet", "--verbose"],
      ["data", "inspect", "digits", "--data-kind", "photos"],
      ["evaluate", "model.h5", "--data", "digits", "--threads", "3000000000"],
    ])
  func wrongUsage(arguments: [String]) async throws {
    let outcome = try await tool.start(arguments).outcome()
    #expect(outcome.status == 64)
    #expect(outcome.stdout.isEmpty)
    #expect(!outcome.stderr.isEmpty)
  }

  @Test(
    "A command's help lists no flag that the command refuses",
    arguments: [
      (["watermark", "verify"], ["--resume", "--from", "--seed"]),
      (["watermark", "queries"], ["--resume", "--from", "--seed"]),
      (["watermark", "embed"], ["--from"]), (["watermark", "stress"], ["--from"]),
      (["unlearn"], ["--from"]),
    ])
  func helpIsTrue(command: [String], refused: [String]) async throws {
    let help = try await tool.start(command + ["--help"]).outcome()
    #expect(help.status == 0 && help.stdout.contains("--skip-bad"))
    for flag in refused {
      #expect(!help.stdout.contains(flag), "\(flag)")
      let outcome = try await tool.start(command + [flag, "1"]).outcome()
      #expect(outcome.status == 64 && outcome.stderr.contains(flag), "\(outcome.stderr)")
    }
    for whole in ["train", "run"] {
      let help = try await tool.start([whole, "--help"]).outcome()
      for flag in ["--out", "--force", "--dry-run", "--skip-bad", "--resume", "--seed", "--from"] {
        #expect(help.stdout.contains(flag + " "), "\(whole) \(flag)")
      }
    }
  }

  @Test("run takes the flags of every command, and says so where a recipe has no use for one")
  func idleFlag() async throws {
    let verify = "watermark verify\nkey: k.json\nsuspect: s.h5"
    let cases: [(String, [String], String)] = [
      (verify, ["--seed", "1"], "Leave --seed out"), (verify, ["--resume"], "no meaning"),
      (verify, ["--from", "a.h5"], "no meaning"),
      ("unlearn\ncheckpoint: s.h5\nforget: class:1", ["--from", "a.h5"], "no meaning"),
      ("watermark embed\nowner: Ada", ["--from", "a.h5"], "no meaning"),
      ("watermark stress\ncheckpoint: s.h5\nkey: k.json", ["--from", "a.h5"], "no meaning"),
    ]
    for (command, flags, words) in cases {
      let recipe = try TinyRecipe("command: \(command)\n")
      let outcome = try await tool.start(["run", recipe.path] + flags).outcome()
      #expect(outcome.status == 64, "\(command): \(outcome.stderr)")
      #expect(outcome.stderr.contains(words), "\(command): \(outcome.stderr)")
    }
  }

  @Test("With --quiet nothing but errors goes to stderr, and the result still goes to stdout")
  func quiet() async throws {
    let outcome = try await tool("data", "inspect", "digits", "--quiet")
    #expect(outcome.status == 0)
    #expect(outcome.stderr.isEmpty)
    #expect(outcome.stdout.contains("10 classes"))
  }

  @Test(
    "Images that would not fit into memory at the size asked for are refused before they are made")
  func tooLarge() async throws {
    let outcome = try await tool("data", "inspect", "digits", "--image-size", "16384")
    #expect(outcome.status == 1, "\(outcome.stderr)")
    #expect(outcome.stderr.contains("MiB of memory"), "\(outcome.stderr)")
  }

  @Test("A device that is not there is refused, and --verbose tells what the loader missed")
  func absentDevice() async throws {
    let arguments = ["train", "--data", "digits", "--method", "standard", "--device", "cuda:99"]
    let plain = try await tool.start(arguments + ["--dry-run"]).outcome()
    #expect(
      plain.status == 64 && plain.stderr.contains("CUDA devices were found"), "\(plain.stderr)")
    let verbose = try await tool.start(arguments + ["--dry-run", "--verbose"]).outcome()
    // Where LibTorch's CUDA library can be loaded there is nothing to tell.
    if plain.stderr.contains("but 0 CUDA devices") {
      #expect(verbose.stderr.contains(".so"), "\(verbose.stderr)")
    }
  }
}
