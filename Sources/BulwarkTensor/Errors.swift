/// What kind of thing went wrong; the command-line tool maps each kind to one exit code.
public enum ErrorCategory: Sendable {
  /// The caller asked for something that makes no sense: an unknown option, key or combination.
  case usage
  /// The input was found but its content is wrong.
  case badData
  /// An input does not exist.
  case missingInput
  /// The output cannot be created, for instance because it exists already.
  case cannotCreate
  /// Reading or writing failed half-way.
  case inputOutput
  /// Everything else.
  case failure
}

/// An error that can be shown to a user: what happened, what to do about it, and why.
///
/// Every typed error of the library conforms. Only the command-line tool turns one into text.
public protocol BulwarkError: Error {
  /// One sentence: what happened, with the file, tensor or key, what was expected and what was
  /// found.
  var summary: String { get }
  /// One sentence: what to do about it.
  var remedy: String { get }
  /// The kind of failure, which decides the exit code.
  var category: ErrorCategory { get }
  /// The chain of causes, outermost first; empty when there is none.
  var causes: [String] { get }
}
