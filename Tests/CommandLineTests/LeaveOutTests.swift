import BulwarkStore
import Foundation
import Testing

@Suite("Training without listed samples")
struct LeaveOutTests {
  let tool = Tool()

  private static let recipe = TinyRecipe.text.replacingOccurrences(
    of: "methods: [standard, dbd]", with: "methods: [standard]")

  @Test(
    "Without the poisons that an attack put in, none is known, and as many samples fewer are trained on"
  )
  func withoutPoisons() async throws {
    let recipe = try TinyRecipe(Self.recipe)
    let whole = try await tool("run", recipe.path, "--out", recipe.out("whole"))
    #expect(whole.status == 0, "\(whole.stderr)")
    let manifest = recipe.out("whole") + "/poison.json"
    let list = try JSONValue(parsing: String(contentsOfFile: manifest, encoding: .utf8))
    let poisons = try #require(try list["poisonedIndices"]?.decode(as: [Int].self))
    #expect(poisons.count == 20)

    let rest = try await tool(
      "run", recipe.path, "--out", recipe.out("rest"), "--set", "leave_out=\(manifest)")
    #expect(rest.status == 0, "\(rest.stderr)")
    #expect(rest.stderr.contains("180 samples are left"), "\(rest.stderr)")
    func poisonsKnown(_ run: String) throws -> [Int]? {
      try Checkpoint(reading: recipe.out(run) + "/standard.h5").indexSets["poisoned"]
    }
    #expect(try poisonsKnown("whole") == poisons)
    #expect(try poisonsKnown("rest") == [])

    // Of the poisons all but the first two; they move up by those that went before them.
    let some = recipe.out("some.json")
    try "\(Array(poisons[2...]))".write(toFile: some, atomically: true, encoding: .utf8)
    let two = try await tool(
      "run", recipe.path, "--out", recipe.out("two"), "--set", "leave_out=\(some)")
    #expect(two.status == 0, "\(two.stderr)")
    #expect(try poisonsKnown("two") == Array(poisons[..<2]))
    try "[0]".write(toFile: some, atomically: true, encoding: .utf8)
    let first = try await tool(
      "run", recipe.path, "--out", recipe.out("first"), "--set", "leave_out=\(some)")
    #expect(first.status == 0, "\(first.stderr)")
    #expect(try poisonsKnown("first") == poisons.filter { $0 > 0 }.map { $0 - 1 })

    // An empty list leaves out nothing, and a run's result names what was left out.
    try "[]".write(toFile: some, atomically: true, encoding: .utf8)
    let none = try await tool(
      "run", recipe.path, "--out", recipe.out("none"), "--set", "leave_out=\(some)", "--json")
    #expect(none.status == 0, "\(none.stderr)")
    #expect(try poisonsKnown("none") == poisons)
    func leftOut(_ outcome: Tool.Outcome) -> String? {
      (outcome.json?["inputs"] as? [String: Any])?["left_out"] as? String
    }
    #expect(leftOut(none) == nil)
    let named = try await tool(
      "run", recipe.path, "--out", recipe.out("named"), "--set", "leave_out=\(manifest)", "--json")
    #expect(leftOut(named)?.hasPrefix("sha256:") == true)

    // --force would remove the list with the run that wrote it.
    let forced = try await tool(
      "run", recipe.path, "--out", recipe.out("whole"), "--force", "--set", "leave_out=\(manifest)")
    #expect(forced.status == 64 && forced.stderr.contains("another --out"), "\(forced.stderr)")
    #expect(FileManager.default.fileExists(atPath: manifest))

    // The list is part of what a run is: another one is another run.
    let resumed = try await tool(
      "run", recipe.out("first") + "/recipe.yaml", "--out", recipe.out("first"), "--resume",
      "--set", "leave_out=\(manifest)")
    #expect(resumed.status != 0, "\(resumed.stdout)")
  }

  @Test(
    "A list that does not fit the data, or leaves nothing, is an error that says so",
    arguments: [
      ("[1, 900]", "900"), ("[1, 1]", "1"), ("\(Array(0..<200))", "nothing would be left"),
      ("words", "index"),
    ])
  func unfit(list: String, said: String) async throws {
    let recipe = try TinyRecipe(Self.recipe)
    try list.write(toFile: recipe.out("list.json"), atomically: true, encoding: .utf8)
    let outcome = try await tool(
      "train", "--data", "digits", "--limit", "200", "--method", "standard", "--out",
      recipe.out("run"), "--leave-out", recipe.out("list.json"), "--dry-run")
    #expect(outcome.status == 65, "\(outcome.stderr)")
    #expect(outcome.stderr.contains(said), "\(outcome.stderr)")
  }
}
