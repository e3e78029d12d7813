import BulwarkStore
import BulwarkTraining
import Foundation

/// What a recipe of any command can do.
protocol ToolRecipe: Codable {
  /// Every setting at its default.
  static var defaults: Self { get }
  /// `cpu`, `cuda:n` or `auto`.
  var device: String { get set }
  /// `bf16`, `fp32` or `auto`.
  var precision: Precision { get set }
  /// Threads on the CPU; 0 takes one for each core.
  var threads: Int { get set }
  /// Takes over the seed of the command line.
  ///
  /// - Throws: `ToolError.usage` where nothing hangs on a seed.
  mutating func take(seed: UInt64) throws
  /// Other defaults that the settings ask for; nil for none.
  var startingPoint: Self? { get }
  /// The recipe as it may be written down: whatever is secret is replaced by a digest.
  var withoutSecrets: Self { get }
  /// Checks what would otherwise go wrong deep inside a run.
  func validate() throws
}

extension ToolRecipe {
  /// Most recipes have no secrets.
  var withoutSecrets: Self { self }
}

/// A recipe whose random numbers hang on a seed.
protocol SeededRecipe: ToolRecipe {
  /// Root of all random numbers.
  var seed: UInt64 { get set }
}

extension SeededRecipe {
  mutating func take(seed: UInt64) { self.seed = seed }
}

/// What a command does once its recipe is known.
protocol RecipeJob {
  associatedtype Recipe: ToolRecipe
  init(command: String, resolved: ResolvedRecipe<Recipe>, options: RunOptions, console: Console)
  /// Does it, and prints the result.
  func perform() throws
}

/// A recipe with every setting filled in, and the text that says so.
struct ResolvedRecipe<Recipe: ToolRecipe> {
  let recipe: Recipe
  /// All settings but secrets as YAML with sorted keys: what is stored in run folder and checkpoint.
  let text: String

  /// `sha256:` and the digest of the text.
  var digest: String { "sha256:\(SHA256Digest(of: text))" }

  /// Lays a file and overrides over the defaults.
  ///
  /// - Parameters:
  ///   - file: A YAML file, or nil for the defaults alone.
  ///   - overrides: `key.path=value`, the later ones last.
  ///   - adjust: Lays the flags that have a name of their own over the settings.
  /// - Throws: `RecipeError` naming the key; `ToolError` when the file is missing.
  init(file: String?, overrides: [String], adjust: (inout Recipe) throws -> Void) throws {
    var recipe = try Self.overlaid(Recipe.defaults, file: file, overrides: overrides)
    if let start = recipe.startingPoint {
      // A variant moves the defaults under everything that is written down.
      recipe = try Self.overlaid(start, file: file, overrides: overrides)
    }
    try adjust(&recipe)
    try recipe.validate()
    self.recipe = recipe
    text = try RecipeTree(defaults: recipe.withoutSecrets).yaml()
  }

  private static func overlaid(_ defaults: Recipe, file: String?, overrides: [String]) throws
    -> Recipe
  {
    var tree = try RecipeTree(defaults: defaults)
    if let file {
      guard FileManager.default.fileExists(atPath: file) else {
        throw ToolError.missing(file, what: "recipe")
      }
      try tree.overlay(yaml: TextFile.read(file), file: file)
    }
    for assignment in overrides { try tree.overlay(assignment: assignment) }
    return try tree.settings(as: Recipe.self)
  }
}
