import Foundation
import Testing

@testable import bulwark

@Suite("The training recipes of the repository")
struct RecipeFileTests {
  private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path

  /// Paths of the training recipes below the repository.
  private static let files: [String] = {
    let all = FileManager.default.enumerator(atPath: repository + "/Recipes")
    return (all?.compactMap { $0 as? String } ?? [])
      .filter { $0.hasSuffix(".yaml") && !$0.hasPrefix("unlearning/") }
      .filter { !$0.hasPrefix("watermark/") }
      .map { "Recipes/" + $0 }.sorted()
  }()

  @Test("There are recipes")
  func exist() { #expect(Self.files.count >= 16) }

  @Test(
    "Each has only valid settings, and says where it comes from and how to run it", arguments: files
  )
  func isValid(file: String) throws {
    let path = Self.repository + "/" + file
    let resolved = try ResolvedRecipe<TrainRecipe>(file: path, overrides: []) { _ in }
    _ = try resolved.recipe.poison.spec(seed: resolved.recipe.seed)
    let header = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
      .prefix { $0.hasPrefix("#") }.joined(separator: "\n")
    #expect(header.contains("# Source: "))
    #expect(header.contains("# Command: "))
    #expect(header.contains("bulwark run \(file) "))
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
