import BulwarkStore
import Foundation
import Testing

@Suite("Signals and resuming")
struct InterruptionTests {
  let tool = Tool()

  /// A long version of the tiny recipe, so that a signal always finds it at work.
  private static let long = TinyRecipe.text.replacing("epochs: 2,", with: "epochs: 400,")

  @Test(
    "SIGTERM writes a checkpoint, says how to resume and exits 75", arguments: [SIGTERM, SIGINT])
  func firstSignal(number: Int32) async throws {
    let recipe = try TinyRecipe(Self.long)
    // The advice must hold for any path and any flags.
    let out = recipe.out(number == SIGINT ? "my run" : "run")
    let more = number == SIGINT ? ["--skip-bad"] : []
    let running = try tool.start(["run", recipe.path, "--out", out] + more)
    try await running.wait(for: "supervised")
    running.send(number)
    let outcome = try await running.outcome()
    #expect(outcome.status == 75, "\(outcome.stderr)")
    #expect(outcome.stdout.isEmpty)
    let continued =
      number == SIGINT
      ? "bulwark run '\(out)/recipe.yaml' --out '\(out)' --resume --skip-bad\n"
      : "bulwark run \(out)/recipe.yaml --out \(out) --resume\n"
    #expect(outcome.stderr.contains(continued), "\(outcome.stderr)")
    #expect(try Checkpoint(reading: out + "/standard.h5").progress.step > 0)
  }

  @Test("A second signal ends the process at once with 130; the last checkpoint is intact")
  func secondSignal() async throws {
    let recipe = try TinyRecipe(Self.long)
    let running = try tool.start(["run", recipe.path, "--out", recipe.out("run")])
    try await running.wait(for: "supervised")
    // Stopped, it cannot act on the first signal before the second is there.
    running.send(SIGSTOP)
    running.send(SIGTERM)
    running.send(SIGINT)
    running.send(SIGCONT)
    let outcome = try await running.outcome()
    #expect(outcome.status == 130, "\(outcome.stderr)")
    let path = recipe.out("run") + "/standard.h5"
    if FileManager.default.fileExists(atPath: path) {
      #expect(try Checkpoint.verify(path).isIntact)
    }
  }

  @Test("A run that is interrupted again and again ends with the bytes of an uninterrupted one")
  func resumesBitForBit() async throws {
    let recipe = try TinyRecipe()
    let whole = try await tool("run", recipe.path, "--out", recipe.out("whole"), "--quiet")
    #expect(whole.status == 0, "\(whole.stderr)")

    let parts = recipe.out("parts")
    var interruptions = 0
    var outcome = try await interrupted(
      ["run", recipe.path, "--out", parts], after: "undefended: supervised")
    while outcome.status == 75, interruptions < 12 {
      interruptions += 1
      let stage = ["self supervision", "head", "semi supervision"][interruptions % 3]
      outcome = try await interrupted(
        ["run", parts + "/recipe.yaml", "--out", parts, "--resume"], after: "dbd: \(stage)")
    }
    #expect(outcome.status == 0, "\(outcome.stderr)")
    #expect(interruptions > 0)
    for name in ["standard.h5", "dbd.h5", "suspicion.json"] {
      let first = try Data(contentsOf: URL(fileURLWithPath: recipe.out("whole") + "/" + name))
      let second = try Data(contentsOf: URL(fileURLWithPath: parts + "/" + name))
      #expect(first == second, "\(name) differs after \(interruptions) interruptions")
    }
  }

  @Test(
    "kill -9 at random moments leaves a loadable checkpoint, and the run ends with the same bytes")
  func survivesKill() async throws {
    let recipe = try TinyRecipe(
      TinyRecipe.text.replacing("checkpoint_interval: 0.2", with: "checkpoint_interval: 0"))
    let whole = try await tool("run", recipe.path, "--out", recipe.out("whole"), "--quiet")
    #expect(whole.status == 0, "\(whole.stderr)")
    let parts = recipe.out("parts")
    let arguments = ["run", recipe.path, "--out", parts, "--resume"]
    for stage in [
      "undefended: supervised", "dbd: self supervision", "dbd: head", "dbd: semi supervision",
    ] {
      let running = try tool.start(arguments)
      _ = try await running.says(stage)
      try await Task.sleep(for: .milliseconds(Int.random(in: 0..<300)))
      running.send(SIGKILL)
      _ = try await running.outcome()
      for name in ["standard.h5", "dbd.h5"] {
        let path = parts + "/" + name
        guard FileManager.default.fileExists(atPath: path) else { continue }
        #expect(try Checkpoint.verify(path).isIntact)
      }
    }
    let last = try await tool.start(arguments).outcome()
    #expect(last.status == 0, "\(last.stderr)")
    for name in ["standard.h5", "dbd.h5"] {
      let first = try Data(contentsOf: URL(fileURLWithPath: recipe.out("whole") + "/" + name))
      let second = try Data(contentsOf: URL(fileURLWithPath: parts + "/" + name))
      #expect(first == second, "\(name) differs after the kills")
    }
  }

  /// Starts the tool, sends SIGTERM once stderr contains `text`, and waits for the end.
  private func interrupted(_ arguments: [String], after text: String) async throws -> Tool.Outcome {
    let running = try tool.start(arguments)
    _ = try await running.says(text)
    running.send(SIGTERM)
    return try await running.outcome()
  }
}
