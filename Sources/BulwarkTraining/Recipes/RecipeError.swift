import BulwarkTensor

/// What can be wrong with a recipe.
public enum RecipeError: BulwarkError, Equatable {
  /// The text is not YAML.
  case notYAML(file: String, cause: String)
  /// A key that no setting has.
  case unknownKey(String, file: String, nearest: String?, known: [String])
  /// A value of another type than the setting.
  case wrongType(String, file: String, expected: String, found: String)
  /// An override that is not `key=value`.
  case badAssignment(String)
  /// A value outside of what a setting may be: key, what it may be, what it is.
  case setting(String, expected: String, found: String)
  /// Settings that do not go together.
  case unfit(cause: String)

  /// What happened.
  public var summary: String {
    switch self {
    case .notYAML(let file, _): "\(file) is not valid YAML"
    case .unknownKey(let key, let file, _, _): "\(file) has the unknown key '\(key)'"
    case .wrongType(let key, let file, let expected, let found):
      "\(file): '\(key)' should be \(expected), but is \(found)"
    case .badAssignment(let text): "'\(text)' is not of the form key=value"
    case .setting(let key, let expected, let found):
      "'\(key)' must be \(expected), but is \(found)"
    case .unfit(let cause): "the recipe does not fit: \(cause)"
    }
  }

  /// What to do about it.
  public var remedy: String {
    switch self {
    case .notYAML: "correct the file; --verbose shows the parser's message"
    case .unknownKey(_, _, let nearest, let known):
      nearest.map { "did you mean '\($0)'?" } ?? "use one of: \(known.joined(separator: ", "))"
    case .wrongType, .setting, .unfit: "compare with a recipe under Recipes/"
    case .badAssignment: "write for example --set dbd.head.epochs=20"
    }
  }

  /// Wrong usage.
  public var category: ErrorCategory { .usage }

  /// The parser's message.
  public var causes: [String] {
    switch self {
    case .notYAML(_, let cause): [cause]
    default: []
    }
  }
}
