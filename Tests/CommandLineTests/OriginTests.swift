import BulwarkStore
import Foundation
import Testing

@Suite("bulwark run --from")
struct OriginTests {
  let tool = Tool()

  /// A tiny DBD run that is over.
  private func finished() async throws -> TinyRecipe {
    let recipe = try TinyRecipe()
    let outcome = try await tool(
      "run", recipe.path, "--out", recipe.out("first"), "--set", "methods=[dbd]", "--quiet")
    try #require(outcome.status == 0, "\(outcome.stderr)")
    return recipe
  }

  private func run(_ recipe: TinyRecipe, from origin: String, out: String, _ more: String...)
    async throws -> Tool.Outcome
  {
    try await tool.start(
      [
        "run", recipe.path, "--set", "methods=[dbd]", "--from",
        recipe.out("first") + "/" + origin, "--out", recipe.out(out), "--json", "--quiet",
      ] + more
    ).outcome()
  }

  @Test("A run from another one's stage ends like that one, and remembers where it started")
  func sameEnd() async throws {
    let recipe = try await finished()
    let outcome = try await run(recipe, from: "dbd-before-head.h5", out: "second")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let first = try Checkpoint(reading: recipe.out("first") + "/dbd.h5")
    let second = try Checkpoint(reading: recipe.out("second") + "/dbd.h5")
    #expect(second.weights.count == first.weights.count)
    for ((name, weight), (_, other)) in zip(first.weights.pairs, second.weights.pairs) {
      #expect(try weight.to(.float64).doubles() == other.to(.float64).doubles(), "\(name)")
    }
    let digest = try Checkpoint.inspectSummary(recipe.out("first") + "/dbd-before-head.h5").digest
    #expect(second.notes["from"]?["digest"] == .string(digest))
    let inputs = try #require(outcome.json?["inputs"] as? [String: Any])
    #expect((inputs["from"] as? [String: Any])?["digest"] as? String == digest)
  }

  @Test("--force with --from in one folder reads the origin before the folder is emptied")
  func sameFolder() async throws {
    let recipe = try await finished()
    let outcome = try await run(
      recipe, from: "dbd-before-semi_supervision.h5", out: "first", "--force", "--set",
      "dbd.filter.final_share=0.4")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let pool = try Checkpoint(reading: recipe.out("first") + "/dbd.h5").indexSets["labeled_pool"]
    #expect(pool?.count == 80)
  }

  @Test(
    "An origin that does not fit is refused, and nothing of an earlier run is lost",
    arguments: [
      ("dbd.h5", "dbd.semi_supervision.epochs=3"), ("dbd-before-head.h5", "augmentation.jitter=0"),
      ("dbd-before-head.h5", "seed=5"), ("nothing.h5", "seed=1"),
    ])
  func refused(origin: String, setting: String) async throws {
    let recipe = try await finished()
    let outcome = try await run(recipe, from: origin, out: "first", "--force", "--set", setting)
    #expect([64, 66].contains(outcome.status), "\(outcome.stderr)")
    for name in ["dbd.h5", "dbd-before-head.h5", "result.json", "suspicion.json"] {
      #expect(FileManager.default.fileExists(atPath: recipe.out("first") + "/" + name))
    }
  }

  @Test("A run that is killed while it trains undefended still knows its origin")
  func killedBefore() async throws {
    let recipe = try await finished()
    let running = try tool.start([
      "run", recipe.path, "--from", recipe.out("first") + "/dbd-before-semi_supervision.h5",
      "--set", "standard.epochs=5000", "--out", recipe.out("first"), "--force",
    ])
    try await running.wait(for: "undefended: supervised  0/")
    running.send(SIGKILL)
    _ = try await running.outcome()
    let kept = try Checkpoint(reading: recipe.out("first") + "/dbd.h5")
    #expect(kept.progress.stage == "semi_supervision" && kept.progress.step == 0)
    #expect(kept.notes["from"]?["digest"] != nil)
  }

  @Test("--dry-run reads the origin, and estimates only the stages that are left")
  func dryRun() async throws {
    let recipe = try await finished()
    func stages(_ origin: String) async throws -> Tool.Outcome {
      try await tool(
        "run", recipe.path, "--set", "methods=[dbd]", "--dry-run", "--from",
        recipe.out("first") + "/" + origin)
    }
    let outcome = try await stages("dbd-before-semi_supervision.h5")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    #expect(outcome.stdout.contains("dbd: semi-supervision"))
    #expect(!outcome.stdout.contains("dbd: self-supervision"))
    #expect(!outcome.stdout.contains("dbd: head"))
    #expect(try await stages("nothing.h5").status == 66)
  }

  @Test("Without DBD an origin has no meaning, and the tool says so")
  func withoutDBD() async throws {
    let recipe = try TinyRecipe()
    let outcome = try await tool(
      "run", recipe.path, "--set", "methods=[standard]", "--from", "any.h5", "--out",
      recipe.out("first"))
    #expect(outcome.status == 64 && outcome.stderr.contains("--from"), "\(outcome.stderr)")
  }

  @Test("--force takes the results of the earlier run away before training begins")
  func staleResults() async throws {
    let recipe = try await finished()
    let running = try tool.start([
      "run", recipe.path, "--set", "methods=[dbd]", "--set", "dbd.self_supervision.epochs=5000",
      "--out", recipe.out("first"), "--force",
    ])
    try await running.wait(for: "dbd: self supervision  0/")
    running.send(SIGKILL)
    _ = try await running.outcome()
    for name in ["result.json", "suspicion.json", "suspicion.h5", "dbd-before-head.h5"] {
      #expect(!FileManager.default.fileExists(atPath: recipe.out("first") + "/" + name))
    }
  }
}
