import Foundation
import Testing

/// The built tool, run as a user runs it.
struct Tool {
  struct Outcome {
    var status: Int32
    var stdout: String
    var stderr: String

    /// The JSON object that stdout consists of, or nil.
    var json: [String: Any]? {
      (try? JSONSerialization.jsonObject(with: Data(stdout.utf8))) as? [String: Any]
    }
  }

  var environment: [String: String] = [:]
  var folder: TemporaryFolder?

  /// The binary lies beside the test bundle.
  static var path: String {
    URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
      .appendingPathComponent("bulwark").path
  }

  /// Runs the tool to its end and collects what it says.
  func callAsFunction(_ arguments: String...) async throws -> Outcome {
    try await start(arguments).outcome()
  }

  /// Starts the tool, or another program, and returns at once.
  func start(_ arguments: [String], with program: String = Tool.path) throws -> Running {
    let running = try Running(program, arguments, environment: environment)
    try running.process.run()
    return running
  }

  /// A started tool. Its output goes to files, so that no pipe can fill up.
  final class Running {
    let process = Process()
    private let folder = try? TemporaryFolder()
    private let ended: AsyncStream<Int32>

    init(_ program: String, _ arguments: [String], environment: [String: String]) throws {
      let folder = try #require(folder)
      process.executableURL = URL(fileURLWithPath: program)
      process.arguments = arguments
      process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
      process.standardInput = FileHandle.nullDevice
      for name in ["stdout", "stderr"] {
        _ = FileManager.default.createFile(atPath: folder.file(name), contents: nil)
      }
      process.standardOutput = FileHandle(forWritingAtPath: folder.file("stdout"))
      process.standardError = FileHandle(forWritingAtPath: folder.file("stderr"))
      let (stream, continuation) = AsyncStream<Int32>.makeStream()
      ended = stream
      process.terminationHandler = { process in
        continuation.yield(process.terminationStatus)
        continuation.finish()
      }
    }

    /// What stderr holds so far.
    var stderr: String { text("stderr") }

    /// Waits until stderr contains `text`; fails when the tool ends before.
    func wait(for text: String) async throws {
      let hasSaid = try await says(text)
      try #require(hasSaid, "never said '\(text)': \(stderr)")
    }

    /// Waits until stderr contains `text` (true), or the tool ends or two minutes are over (false).
    func says(_ text: String) async throws -> Bool {
      let deadline = ContinuousClock.now + .seconds(120)
      while !stderr.contains(text) {
        guard process.isRunning, ContinuousClock.now < deadline else { return false }
        try await Task.sleep(for: .milliseconds(20))
      }
      return true
    }

    /// Sends a signal, if the tool still runs.
    func send(_ signal: Int32) {
      if process.isRunning { kill(process.processIdentifier, signal) }
    }

    /// Waits for the end.
    func outcome() async throws -> Outcome {
      for await status in ended {
        return Outcome(status: status, stdout: text("stdout"), stderr: text("stderr"))
      }
      throw CancellationError()
    }

    private func text(_ name: String) -> String {
      (folder?.file(name)).flatMap { try? String(contentsOfFile: $0, encoding: .utf8) } ?? ""
    }
  }
}

/// A folder that goes away with its owner.
final class TemporaryFolder: Sendable {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent(
      "bulwark-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  /// The path of an entry, which need not exist.
  func file(_ name: String) -> String { url.appendingPathComponent(name).path }
}
