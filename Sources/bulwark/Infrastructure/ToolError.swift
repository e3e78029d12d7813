import BulwarkTensor

/// An error that the tool itself finds: a flag that contradicts another, an output that exists, a
/// missing input.
struct ToolError: BulwarkError {
  var summary: String
  var remedy: String
  var category: ErrorCategory
  var causes: [String] = []

  static func usage(_ summary: String, remedy: String) -> ToolError {
    ToolError(summary: summary, remedy: remedy, category: .usage)
  }

  static func exists(_ path: String) -> ToolError {
    ToolError(
      summary: "'\(path)' exists already.",
      remedy: "Choose another --out, or add --force to replace it.", category: .cannotCreate)
  }

  static func missing(_ path: String, what: String) -> ToolError {
    ToolError(
      summary: "There is no \(what) at \(path).", remedy: "Check the path.",
      category: .missingInput)
  }
}

/// Ends a command early with a status that is not an error of its input: a negative verdict, an
/// interruption.
struct EarlyExit: Error {
  var status: ExitStatus
  /// What to say on stderr; nil says nothing.
  var message: String?
}
