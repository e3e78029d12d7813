import Foundation

/// Where everything the tool says goes: the result to stdout, progress and notes to stderr.
///
/// Used by one thread; the sinks that training code calls run on the thread that trains.
final class Console: @unchecked Sendable {
  let options: OutputOptions
  private let start = ContinuousClock.now
  private var progress: ProgressLine

  init(_ options: OutputOptions) {
    self.options = options
    progress = ProgressLine(isTerminal: isatty(STDERR_FILENO) == 1)
  }

  /// Seconds since the command began.
  var seconds: Double { (ContinuousClock.now - start).inSeconds }

  /// A line on stderr; silent with `--quiet`.
  func note(_ text: String) {
    guard !options.quiet else { return }
    clearProgress()
    Self.writeError(text + "\n")
  }

  /// A line on stderr that only `--verbose` shows.
  func detail(_ text: String) {
    if options.verbose { note(text) }
  }

  /// Tells how far the work is; prints seldom enough for any log. Silent with `--quiet`.
  func progress(_ label: String, completed: Int, total: Int, detail: String = "") {
    guard !options.quiet else { return }
    let text = progress.update(
      label: label, completed: completed, total: total, detail: detail, now: seconds)
    if let text { Self.writeError(text) }
  }

  /// Ends the progress line, so that what follows starts on a line of its own.
  func clearProgress() {
    if let text = progress.end() { Self.writeError(text) }
  }

  /// The result: one JSON object with `--json`, else the given lines; with `--quiet` stdout still
  /// carries it.
  ///
  /// - Throws: `ToolError` of the category input/output when stdout takes nothing; what encoding
  ///   the result and making its text throw.
  func finish(_ result: ResultObject, text: () throws -> [String]) throws {
    clearProgress()
    var result = result
    result.seconds = (seconds * 1000).rounded() / 1000
    let lines = options.json ? [try result.line()] : try text()
    try Self.writeResult(lines.joined(separator: "\n") + "\n")
  }

  /// Writes to stdout.
  ///
  /// - Throws: `ToolError` of the category input/output when stdout is closed, full or a pipe
  ///   that nobody reads.
  static func writeResult(_ text: String) throws {
    do {
      try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    } catch {
      throw ToolError(
        summary: "The result could not be written to stdout.",
        remedy: "Send stdout to where it can be written; files of the run are complete.",
        category: .inputOutput, causes: ["\(error)"])
    }
  }

  /// Writes to stderr, whatever the options. Where nothing takes it, the work goes on in silence.
  static func writeError(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }
}

extension Duration {
  /// The duration in seconds, with fractions.
  var inSeconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
