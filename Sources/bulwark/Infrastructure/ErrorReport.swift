import ArgumentParser
import BulwarkTensor
import Foundation

/// What the user reads when a command fails: what happened, what to do, and the code the tool exits
/// with.
struct ErrorReport {
  var lines: [String]
  var status: ExitStatus

  /// Turns any error into text. `verbose` adds the chain of causes.
  init(_ error: any Error, verbose: Bool) {
    var causes: [String] = []
    switch error {
    case let early as EarlyExit:
      lines = early.message.map { [$0] } ?? []
      status = early.status
    case let known as any BulwarkError:
      lines = ["bulwark: " + Self.sentence(known.summary), Self.sentence(known.remedy)]
      causes = known.causes
      status = ExitStatus(known.category)
    case let file as CocoaError:
      (lines, status) = Self.describe(file)
      causes = ["\(file)"]
    default:
      lines = [
        "bulwark: the command failed: \(error).", "Run it again with --verbose and report this.",
      ]
      status = .failed
    }
    if verbose { lines += causes.map { "  because: " + $0 } }
  }

  /// The text with a capital letter in front and a full stop behind.
  private static func sentence(_ text: String) -> String {
    guard let first = text.first, let last = text.last else { return text }
    // A name in front (a path, a key in quotes) keeps its spelling.
    let word = text.prefix { $0 != " " }
    let capital = word.allSatisfy(\.isLetter) ? first.uppercased() : String(first)
    return capital + text.dropFirst() + (".!?".contains(last) ? "" : ".")
  }

  /// Foundation's errors about files, which come with a path.
  private static func describe(_ error: CocoaError) -> ([String], ExitStatus) {
    let path = error.userInfo[NSFilePathErrorKey] as? String ?? error.url?.path ?? "a file"
    switch error.code {
    case .fileNoSuchFile, .fileReadNoSuchFile:
      return (["bulwark: \(path) does not exist.", "Check the path."], .missingInput)
    case .fileWriteNoPermission, .fileWriteFileExists, .fileWriteVolumeReadOnly:
      return (
        [
          "bulwark: \(path) cannot be created.", "Choose an --out in a folder you can write to.",
        ], .cannotCreate
      )
    default:
      return (
        [
          "bulwark: reading or writing \(path) failed.",
          "Check the disk and the file's permissions.",
        ], .inputOutput
      )
    }
  }
}
