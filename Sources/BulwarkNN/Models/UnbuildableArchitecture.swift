import BulwarkTensor

/// An architecture of a size that no tensor can have, from a file or a flag.
public struct UnbuildableArchitecture: BulwarkError, Equatable {
  /// Which size: `width`, `classes` or `channels`.
  public let name: String
  /// What it is.
  public let size: Int
  /// What it may be.
  public let range: ClosedRange<Int>

  /// What happened.
  public var summary: String {
    "the architecture's \(name) is \(size); it may be \(range.lowerBound) to \(range.upperBound)"
  }

  /// What to do about it.
  public var remedy: String { "name the \(name) that the weights were trained with" }

  /// Bad data.
  public var category: ErrorCategory { .badData }

  /// None.
  public var causes: [String] { [] }
}
