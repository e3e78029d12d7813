import BulwarkStore
import Foundation
import Testing

@Suite("Where stdout or stderr cannot be written")
struct BrokenOutputTests {
  /// Runs the tool as `script` says, which names it `bulwark`.
  private func shell(_ script: String) async throws -> Tool.Outcome {
    try await Tool().start(
      ["-c", "bulwark() { \"$0\" \"$@\"; }\n" + script, Tool.path], with: "/bin/bash"
    ).outcome()
  }

  @Test(
    "A result or a help text that stdout does not take is exit code 74, in two sentences",
    arguments: ["bulwark data inspect digits --quiet", "bulwark --help"],
    [">/dev/full", ">&-", "| true; exit ${PIPESTATUS[0]}"])
  func lostResult(command: String, stdout: String) async throws {
    // The reader of the pipe is gone before the tool says anything.
    let late = stdout.hasPrefix("|") ? "{ sleep 0.3; \(command); } " : command + " "
    let outcome = try await shell(late + stdout)
    #expect(outcome.status == 74, "\(outcome.stderr)")
    #expect(outcome.stderr.split(separator: "\n").count == 2, "\(outcome.stderr)")
    #expect(outcome.stderr.contains("stdout"))
  }

  @Test(
    "A training run goes on when nobody takes its progress",
    arguments: ["2>/dev/full", "2>&-", "2> >(true)"])
  func lostProgress(stderr: String) async throws {
    let recipe = try TinyRecipe()
    let outcome = try await shell(
      "bulwark run '\(recipe.path)' --set methods=[standard] --out '\(recipe.out("run"))' --json "
        + stderr)
    #expect(outcome.status == 0, "\(outcome.stderr)")
    #expect(outcome.json?["metrics"] != nil)
    #expect(try Verification.of(recipe.out("run") + "/standard.h5").isIntact)
  }

  @Test(
    "With both closed, a training run leaves its files whole and tells the loss by its exit code")
  func bothClosed() async throws {
    let recipe = try TinyRecipe()
    let outcome = try await shell(
      "bulwark run '\(recipe.path)' --set methods=[standard] --out '\(recipe.out("run"))' <&- >&- 2>&-"
    )
    #expect(outcome.status == 74)
    #expect(try Verification.of(recipe.out("run") + "/standard.h5").isIntact)
    #expect(FileManager.default.fileExists(atPath: recipe.out("run") + "/result.json"))
  }
}
