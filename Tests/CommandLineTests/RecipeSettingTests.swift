import BulwarkStore
import BulwarkTraining
import Foundation
import Testing

@testable import bulwark

@Suite("What the numbers of a training recipe may be")
struct RecipeSettingTests {
  private func recipe(_ overrides: String...) throws -> TrainRecipe {
    try ResolvedRecipe<TrainRecipe>(file: nil, overrides: overrides) { _ in }.recipe
  }

  /// Paths of all settings that are numbers.
  static let numbers = (paths(of: TrainRecipe()) + ["poison.rate"]).sorted()

  static func paths(of defaults: some Codable) -> [String] {
    func paths(_ value: JSONValue, _ path: String) -> [String] {
      switch value {
      case .int, .unsigned, .double: [path]
      case .object(let members):
        members.flatMap { paths($0.value, path.isEmpty ? $0.key : "\(path).\($0.key)") }
      default: []
      }
    }
    return paths((try? RecipeTree(defaults: defaults))?.root ?? .null, "").sorted()
  }

  /// A recipe of unlearning or watermarking whose settings can be replaced.
  struct Kind: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var numbers: [String]
    var read: @Sendable (String) throws -> Void

    init<Recipe: ToolRecipe>(_ name: String, _ type: Recipe.Type, _ given: [String]) {
      testDescription = name
      numbers = RecipeSettingTests.paths(of: Recipe.defaults)
      read = { _ = try ResolvedRecipe<Recipe>(file: nil, overrides: given + [$0]) { _ in } }
    }
  }

  static let otherKinds = [
    Kind("unlearn", UnlearnRecipe.self, ["checkpoint=model.h5", "forget=random:0.1"]),
    Kind("watermark embed", WatermarkEmbedRecipe.self, ["owner=me", "secret=test:numbers"]),
    Kind("watermark verify", WatermarkVerifyRecipe.self, ["key=key.json", "suspect=model.h5"]),
    Kind("watermark stress", StressRecipe.self, ["checkpoint=model.h5", "key=key.json"]),
  ]

  @Test("Nor may any of a recipe that unlearns or watermarks", arguments: otherKinds)
  func others(kind: Kind) throws {
    #expect(kind.numbers.count >= 10)
    try kind.read("threads=1")
    for key in kind.numbers {
      for value in ["-7", ".nan"] {
        let error = #expect(throws: RecipeError.self, "\(key)") { try kind.read("\(key)=\(value)") }
        #expect(error?.summary.contains(key) == true, "\(key): \(error?.summary ?? "")")
      }
      for value in ["9223372036854775807", "1e300"] {
        do {
          try kind.read("\(key)=\(value)")
        } catch let error as RecipeError {
          #expect(error.summary.contains(key), "\(error.summary)")
        }
      }
    }
  }

  @Test("There are numbers")
  func exist() { #expect(Self.numbers.count >= 50) }

  @Test("None may be −7 or not a number, and the error names the setting", arguments: numbers)
  func refused(key: String) throws {
    for value in ["-7", ".nan"] {
      let error = #expect(throws: RecipeError.self) { try recipe("\(key)=\(value)") }
      #expect(error?.summary.contains(key) == true, "\(error?.summary ?? "")")
    }
  }

  @Test("However large a number is, it is refused or fits", arguments: numbers)
  func huge(key: String) throws {
    for value in ["9223372036854775807", "1e300"] {
      do {
        let settings = try recipe("\(key)=\(value)")
        #expect(try settings == recipe("\(key)=\(value)"))
      } catch let error as RecipeError {
        #expect(error.summary.contains(key), "\(error.summary)")
      }
    }
  }

  @Test("The error says the key, what it may be and what it is")
  func words() throws {
    let cases: [(String, String, String, String)] = [
      ("dbd.head.epochs", "-1", "a whole number in 0...1000000", "-1"),
      ("dbd.self_supervision.epochs", "-5", "a whole number in 0...1000000", "-5"),
      ("standard.learning_rate", "-1", "a number at least 0", "-1.0"),
      ("standard.momentum", "-3", "a number at least 0 and below 1", "-3.0"),
      ("dbd.filter.neighbors", "-3", "a whole number in 1...10000", "-3"),
      ("standard.label_smoothing", "7", "a number at least 0 and at most 1", "7.0"),
      ("poison.rate", "1.5", "a number at least 0 and at most 1", "1.5"),
    ]
    for (key, value, expected, found) in cases {
      #expect(throws: RecipeError.setting(key, expected: expected, found: found)) {
        try recipe("\(key)=\(value)")
      }
    }
  }

  @Test("A rate of 0 poisons nothing; null, the default, is the attack's own rate")
  func rate() throws {
    func rate(_ overrides: String...) throws -> Double? {
      try ResolvedRecipe<TrainRecipe>(file: nil, overrides: overrides) { _ in }.recipe.poison
        .spec(seed: 0)?.rate
    }
    #expect(try rate("poison.attack=badnets", "poison.rate=0") == 0)
    #expect(try rate("poison.attack=badnets", "poison.rate=0.2") == 0.2)
    #expect(try rate("poison.attack=badnets") == 0.05)
    #expect(try rate("poison.attack=sig", "poison.rate=0.2", "poison.rate=null") == 0.5)
    #expect(try rate("poison.rate=0.2") == nil)
    #expect(throws: RecipeError.self) { try recipe("poison.rate=many") }

    let resolved = try ResolvedRecipe<TrainRecipe>(
      file: nil, overrides: ["poison.attack=badnets"]
    ) { _ in }
    #expect(resolved.text.contains("rate: null"))
    let folder = try TemporaryFolder()
    try resolved.text.write(
      toFile: folder.file("recipe.yaml"), atomically: true, encoding: .utf8)
    let again = try ResolvedRecipe<TrainRecipe>(
      file: folder.file("recipe.yaml"), overrides: []
    ) { _ in }
    #expect(again.text == resolved.text)
  }

  @Test("data poison --rate 0 changes no image; without --rate it is the attack's 5 %")
  func poisonCommand() async throws {
    func poisoned(_ flags: String...) async throws -> Int? {
      let folder = try TemporaryFolder()
      let outcome = try await Tool().start(
        [
          "data", "poison", "--data", "digits", "--attack", "wanet", "--out", folder.file("out"),
          "--json", "--quiet",
        ] + flags
      ).outcome()
      #expect(outcome.status == 0, "\(outcome.stderr)")
      let manifest = try JSONValue(
        parsing: String(contentsOfFile: folder.file("out") + "/poison.json", encoding: .utf8))
      let poisoned = try manifest["poisonedIndices"]?.decode(as: [Int].self)
      let details = try #require(outcome.json?["details"] as? [String: Any])
      #expect(details["poisoned"] as? Int == poisoned?.count)
      if poisoned == [] {
        #expect(manifest["poisonedFingerprint"] == manifest["sourceFingerprint"])
      }
      return poisoned?.count
    }
    #expect(try await poisoned("--rate", "0") == 0)
    #expect(try await poisoned() == 72)
  }
}
