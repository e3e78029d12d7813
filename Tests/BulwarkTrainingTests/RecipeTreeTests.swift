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
