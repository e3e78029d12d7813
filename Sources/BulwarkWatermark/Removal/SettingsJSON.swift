import BulwarkStore
import BulwarkTraining

/// Settings for the record.
public enum SettingsJSON {
  /// The settings as JSON under snake-case keys, as texts and recipes name them; null for what JSON does
  /// not have.
  public static func of(_ settings: some Encodable) -> JSONValue {
    (try? RecipeTree(defaults: settings).root) ?? .null
  }
}
