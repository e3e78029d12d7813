import BulwarkTensor
import Testing

@testable import BulwarkTraining

@Suite("Recipes accept only what the settings have")
struct RecipeTreeTests {
  struct Settings: Codable, Equatable {
    struct Stage: Codable, Equatable {
      var batchSize = 64
      var learningRate = 1.0
    }
    var name = "default"
    var stage = Stage()
  }

  @Test("Keys are snake case, and what a file leaves out keeps its default")
  func overlay() throws {
    var tree = try RecipeTree(defaults: Settings())
    try tree.overlay(yaml: "stage:\n  batch_size: 8\n", file: "a.yaml")
    var expected = Settings()
    expected.stage.batchSize = 8
    #expect(try tree.settings(as: Settings.self) == expected)
  }

  @Test("An unknown key is refused with the nearest valid one")
  func unknownKey() throws {
    var tree = try RecipeTree(defaults: Settings())
    let error = #expect(throws: RecipeError.self) {
      try tree.overlay(yaml: "stage: {batch_sise: 8}", file: "a.yaml")
    }
    #expect(error?.remedy == "did you mean 'batch_size'?")
    #expect(error?.summary.contains("stage.batch_sise") == true)
  }

  @Test("A value of another type is refused with its path")
  func wrongType() throws {
    var tree = try RecipeTree(defaults: Settings())
    let error = #expect(throws: RecipeError.self) {
      try tree.overlay(yaml: "stage: {batch_size: many}", file: "a.yaml")
    }
    #expect(error?.summary.contains("stage.batch_size") == true)
  }

  @Test("A setting whose default is null takes a number, null again, and nothing else")
  func optional() throws {
    struct Sparse: Codable, Equatable {
      var rate: Double?
      func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(rate, forKey: .rate)
      }
      enum CodingKeys: String, CodingKey { case rate }
    }
    var tree = try RecipeTree(defaults: Sparse())
    #expect(try tree.settings(as: Sparse.self).rate == nil)
    try tree.overlay(assignment: "rate=0.5")
    #expect(try tree.settings(as: Sparse.self).rate == 0.5)
    try tree.overlay(yaml: "rate: null", file: "a.yaml")
    #expect(try tree.settings(as: Sparse.self).rate == nil)
    #expect(throws: RecipeError.self) { try tree.overlay(assignment: "rate=many") }
    #expect(throws: RecipeError.self) { try tree.overlay(assignment: "rate=true") }
    var other = try RecipeTree(defaults: Settings())
    #expect(throws: RecipeError.self) { try other.overlay(assignment: "stage.batch_size=null") }
  }

  @Test("A number that its setting cannot hold is named")
  func misfit() throws {
    var tree = try RecipeTree(defaults: Settings())
    try tree.overlay(assignment: "stage.learning_rate=0.5")
    try tree.overlay(assignment: "stage.batch_size=2.5")
    let error = #expect(throws: RecipeError.self) { try tree.settings(as: Settings.self) }
    #expect(
      error
        == .setting(
          "stage.batch_size", expected: "a whole number in the setting's range", found: "2.5"))
  }

  @Test("A number beyond every integer, or none at all, is an error and no crash")
  func notWhole() throws {
    for value in ["1e300", ".nan", "-.inf", "18446744073709551616"] {
      #expect(throws: RecipeError.self) {
        var tree = try RecipeTree(defaults: Settings())
        try tree.overlay(assignment: "stage.batch_size=\(value)")
        _ = try tree.settings(as: Settings.self)
      }
    }
  }

  @Test("A seed may be any number of 64 bits, in a file, with --set, and in the resolved recipe")
  func seeds() throws {
    struct Seeded: Codable, Equatable {
      var name = "none"
      var rate = 0.5
      var seed: UInt64 = 0
    }
    for seed in [UInt64(1) << 63 - 1, 1 << 63, .max] {
      var tree = try RecipeTree(defaults: Seeded())
      try tree.overlay(yaml: "seed: \(seed)", file: "a.yaml")
      #expect(try tree.settings(as: Seeded.self).seed == seed)
      var again = try RecipeTree(defaults: Seeded())
      try again.overlay(yaml: tree.yaml(), file: "recipe.yaml")
      #expect(again == tree)
      try again.overlay(assignment: "seed=7")
      #expect(try again.settings(as: Seeded.self).seed == 7)
      try again.overlay(assignment: "seed=\(seed)")
      #expect(again == tree)
    }
    var tree = try RecipeTree(defaults: Seeded())
    try tree.overlay(assignment: "name=18446744073709551615")
    #expect(try tree.settings(as: Seeded.self).name == "18446744073709551615")
    for wrong in [
      "seed='18446744073709551615'", "rate=18446744073709551615", "seed=-1", "seed=1.5",
    ] {
      #expect(throws: RecipeError.self, "\(wrong)") {
        try tree.overlay(assignment: wrong)
        _ = try tree.settings(as: Seeded.self)
      }
    }
  }

  @Test("--set overrides one key; a fraction may stand where the default is whole")
  func assignment() throws {
    var tree = try RecipeTree(defaults: Settings())
    try tree.overlay(assignment: "stage.learning_rate=0.25")
    #expect(try tree.settings(as: Settings.self).stage.learningRate == 0.25)
    #expect(throws: RecipeError.self) { try tree.overlay(assignment: "stage.learning_rate") }
  }

  @Test("The resolved recipe read back gives the same settings")
  func roundTrip() throws {
    var tree = try RecipeTree(defaults: Settings())
    try tree.overlay(yaml: "name: other\nstage: {learning_rate: 0.5}", file: "a.yaml")
    var again = try RecipeTree(defaults: Settings())
    try again.overlay(yaml: tree.yaml(), file: "resolved.yaml")
    #expect(again == tree)
  }

  @Test("Text that is not YAML is an error that keeps the parser's message")
  func notYAML() throws {
    var tree = try RecipeTree(defaults: Settings())
    let error = #expect(throws: RecipeError.self) {
      try tree.overlay(yaml: "a: [1, 2", file: "a.yaml")
    }
    #expect(error?.causes.isEmpty == false)
  }
}
