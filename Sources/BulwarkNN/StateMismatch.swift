import BulwarkTensor

/// Weights that belong to another architecture.
public struct StateMismatch: BulwarkError, Equatable {
  /// Names the model needs and the weights lack.
  public let missing: [String]
  /// Names the weights have and the model does not know.
  public let unexpected: [String]
  /// Names both have, in different shapes: "name: expected …, found …".
  public let shapes: [String]

  /// Compares two lists of names and shapes.
  public init(expected: [(String, [Int])], found: [(String, [Int])]) {
    let expectedShapes = Dictionary(expected, uniquingKeysWith: { first, _ in first })
    let foundShapes = Dictionary(found, uniquingKeysWith: { first, _ in first })
    missing = expected.map(\.0).filter { foundShapes[$0] == nil }
    unexpected = found.map(\.0).filter { expectedShapes[$0] == nil }
    shapes = expected.compactMap { name, shape in
      guard let other = foundShapes[name], other != shape else { return nil }
      return "\(name): expected \(shape), found \(other)"
    }
  }

  /// Whether the two lists agree.
  public var isEmpty: Bool { missing.isEmpty && unexpected.isEmpty && shapes.isEmpty }

  private static func list(_ title: String, _ names: [String]) -> [String] {
    guard let first = names.first else { return [] }
    let rest = names.count > 1 ? " and \(names.count - 1) more" : ""
    return ["\(names.count) \(title) (\(first)\(rest))"]
  }

  /// What happened, in one sentence.
  public var summary: String {
    let parts =
      StateMismatch.list("missing", missing) + StateMismatch.list("unexpected", unexpected)
      + StateMismatch.list("of another shape", shapes)
    return "the weights do not fit the architecture: " + parts.joined(separator: ", ")
  }

  /// What to do about it.
  public var remedy: String {
    "name the architecture, width and class count that the weights were trained with"
  }

  /// Bad data.
  public var category: ErrorCategory { .badData }

  /// Every difference.
  public var causes: [String] {
    missing.map { "missing: \($0)" } + unexpected.map { "unexpected: \($0)" } + shapes
  }
}
