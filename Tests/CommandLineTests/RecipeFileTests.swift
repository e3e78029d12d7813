import Foundation
import Testing

@testable import bulwark

@Suite("The recipes of the repository")
struct RecipeFileTests {
  private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path

  /// Paths of all recipes below the repository.
  private static let all: [String] = {
    let entries = FileManager.default.enumerator(atPath: repository + "/Recipes")
    return (entries?.compactMap { $0 as? String } ?? []).filter { $0.hasSuffix(".yaml") }
      .map { "Recipes/" + $0 }.sorted()
  }()

  /// Paths of those that train and neither unlearn nor watermark.
  private static let files = all.filter { file in
    !["Recipes/unlearning/", "Recipes/watermark/"].contains { file.hasPrefix($0) }
  }

  /// Paths of those that unlearn, and of those that train what is unlearned from.
  private static let unlearning = all.filter { $0.hasPrefix("Recipes/unlearning/") }

  /// Makes sure that a recipe says where it comes from and how to run it.
  private func checkHeader(_ file: String) throws {
    let header = try String(contentsOfFile: Self.repository + "/" + file, encoding: .utf8)
      .split(separator: "\n").prefix { $0.hasPrefix("#") }.joined(separator: "\n")
    #expect(header.contains("# Source: "))
    #expect(header.contains("# Command: "))
    #expect(header.contains("bulwark run \(file) "))
  }

  @Test("There are recipes")
  func exist() { #expect(Self.files.count >= 16 && Self.unlearning.count >= 13) }

  @Test(
    "Each has only valid settings, and says where it comes from and how to run it", arguments: files
  )
  func isValid(file: String) throws {
    let path = Self.repository + "/" + file
    let resolved = try ResolvedRecipe<TrainRecipe>(file: path, overrides: []) { _ in }
    _ = try resolved.recipe.poison.spec(seed: resolved.recipe.seed)
    try checkHeader(file)
  }

  @Test("So has each of those for unlearning", arguments: unlearning)
  func isValidUnlearning(file: String) throws {
    let path = Self.repository + "/" + file
    switch try RecipeCommand(of: path) {
    case .train: _ = try ResolvedRecipe<TrainRecipe>(file: path, overrides: []) { _ in }
    case .unlearn: _ = try ResolvedRecipe<UnlearnRecipe>(file: path, overrides: []) { _ in }
    default: Issue.record("\(file) neither trains nor unlearns")
    }
    try checkHeader(file)
  }

  @Test("The recipes that unlearn from digits run with every method, at the smallest size")
  func unlearns() async throws {
    let folder = try TemporaryFolder()
    func run(_ name: String, _ settings: [String]) async throws -> [String: Any] {
      let all = ["threads=1", "data.limit=200", "data.test_limit=60"] + settings
      let overrides = all.flatMap { ["--set", $0] }
      let outcome = try await Tool().start(
        [
          "run", Self.repository + "/Recipes/unlearning/digits-\(name).yaml", "--out",
          folder.file(name), "--json", "--quiet",
        ] + overrides
      ).outcome()
      try #require(outcome.status == 0, "\(name): \(outcome.stderr)")
      return try #require(outcome.json)
    }
    _ = try await run("original", ["model.width=4", "standard.epochs=4"])
    let methods = [
      "salun", "salun_soft", "rl", "ft", "l1_sparse", "ga", "neggrad_plus", "scrub", "be", "bs",
    ]
    let settings =
      methods.map { "settings.\($0).training.epochs=1" } + [
        "settings.iu.samples=20", "relearning.enabled=false",
        "checkpoint=\(folder.file("original"))/standard.h5", "cache=\(folder.file("cache"))",
      ]
    for name in ["class", "random-0.1"] {
      let recipe = try ResolvedRecipe<UnlearnRecipe>(
        file: Self.repository + "/Recipes/unlearning/digits-\(name).yaml", overrides: []
      ) { _ in }.recipe
      let result = try await run(name, settings)
      let rows = try #require(result["rows"] as? [[String: Any]])
      #expect(
        rows.compactMap { $0["name"] as? String } == ["original", "retrain"] + recipe.methods)
    }
  }

  @Test(
    "The recipes for digits run, at the smallest size",
    arguments: files.filter { $0.contains("/digits-") })
  func runs(file: String) async throws {
    let folder = try TemporaryFolder()
    let settings = [
      "threads=1", "data.limit=200", "data.test_limit=60", "model.width=4", "standard.epochs=1",
      "dbd.self_supervision.epochs=1", "dbd.head.epochs=1", "dbd.semi_supervision.epochs=1",
      "dbd.semi_supervision.steps_per_epoch=2",
    ]
    let outcome = try await Tool().start(
      ["run", Self.repository + "/" + file, "--out", folder.file("run"), "--json", "--quiet"]
        + settings.flatMap { ["--set", $0] }
    ).outcome()
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let details = try #require(outcome.json?["details"] as? [String: Any])
    let dbd = try #require(details["dbd"] as? [String: Any])
    let stages = try #require(dbd["stages"] as? [String: Any])
    #expect((stages["self_supervision"] == nil) == file.contains("without-ssl"))
    #expect(stages["head"] != nil)
    #expect(stages["semi_supervision"] != nil)
  }
}
