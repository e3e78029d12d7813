import BulwarkTensor

/// What can keep a watermark from being embedded, verified or attacked.
public enum WatermarkError: BulwarkError, Equatable {
  /// A setting that a scheme or an attack cannot take: key, expected, found.
  case setting(String, expected: String, found: String)

  /// What happened.
  public var summary: String {
    switch self {
    case .setting(let key, let expected, let found): "\(key) must be \(expected), but is \(found)"
    }
  }

  /// What to do about it.
  public var remedy: String {
    switch self {
    case .setting: "compare with a recipe under Recipes/watermark"
    }
  }

  /// Usage for settings.
  public var category: ErrorCategory { .usage }

  /// None.
  public var causes: [String] { [] }
}
