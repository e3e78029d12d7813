import ArgumentParser
import BulwarkTensor

/// The command-line tool.
@main
struct Bulwark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bulwark",
    abstract: "Train on poisoned images and come out clean.",
    discussion: """
      The result goes to stdout (one JSON object with --json), progress and errors to stderr.
      Exit codes: 0 done, 1 failed, 2 negative verdict, 64 wrong usage, 65 bad input data, \
      66 missing input, 73 cannot create the output, 74 read or write error, \
      75 interrupted and resumable, 130 interrupted twice.
      """,
    version: ToolVersion.current,
    subcommands: [
      DataCommand.self, TrainCommand.self, RunCommand.self, FlagCommand.self, UnlearnCommand.self,
      WatermarkCommand.self, EvaluateCommand.self, CheckpointCommand.self, SummarizeCommand.self,
    ])

  static func main() {
    StandardStreams.hold()
    var verbose = false
    do {
      var command = try parseAsRoot()
      Interruption.install(.endAtOnce)
      verbose = (command as? any ToolCommand)?.output.verbose ?? false
      try command.run()
    } catch let error where isParserError(error) {
      leave(withParserError: error)
    } catch {
      leave(with: error, verbose: verbose)
    }
  }

  private static func leave(with error: any Error, verbose: Bool) -> Never {
    let report = ErrorReport(error, verbose: verbose)
    if !report.lines.isEmpty { Console.writeError(report.lines.joined(separator: "\n") + "\n") }
    exit(withError: ExitCode(report.status.rawValue))
  }

  /// Help goes to stdout like any result, and is lost as loudly; wrong usage goes to stderr.
  private static func leave(withParserError error: any Error) -> Never {
    let text = fullMessage(for: error)
    let code = exitCode(for: error)
    if !code.isSuccess {
      Console.writeError(text + "\n")
    } else if !text.isEmpty {
      do {
        try Console.writeResult(text + "\n")
      } catch {
        leave(with: error, verbose: false)
      }
    }
    exit(withError: code)
  }

  /// Whether the argument parser itself knows best how to show this error: wrong usage, or a
  /// request for help.
  private static func isParserError(_ error: any Error) -> Bool {
    !(error is any BulwarkError || error is EarlyExit) && exitCode(for: error) != .failure
  }
}

/// A subcommand with the common output options.
protocol ToolCommand: ParsableCommand {
  var output: OutputOptions { get }
}
