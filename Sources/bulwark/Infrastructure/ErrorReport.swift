import ArgumentParser
import BulwarkTensor
import Foundation

/// What the user reads when a command fails: what happened, what to do, and the code the tool exits with.
struct ErrorReport {
  var lines: [String]
  var status: ExitStatus

  /// Turns any error into text. `verbose` adds the chain of causes.
  init(_ error: any Error, verbose: Bool) {
    switch error {
    case let early as EarlyExit:
      lines = early.message.map { [$0] } ?? []
      status = early.status
    case let known as any BulwarkError:
      lines = ["bulwark: " + known.summary, known.remedy]
      if verbose { lines += known.causes.map { "  because: " + $0 } }
      status = ExitStatus(known.category)
    case let file as CocoaError:
      self.init(fileError: file, verbose: verbose)
    default:
      lines = ["bulwark: the command failed: \(error).", "Run it again with --verbose and report this."]
      status = .failed
    }
  }

  private init(fileError error: CocoaError, verbose: Bool) {
    let path = error.userInfo[NSFilePathErrorKey] as? String ?? error.url?.path ?? "a file"
    switch error.code {
    case .fileNoSuchFile, .fileReadNoSuchFile:
      lines = ["bulwark: \(path) does not exist.", "Check the path."]
      status = .missingInput
    case .fileWriteNoPermission, .fileWriteFileExists, .fileWriteVolumeReadOnly:
      lines = ["bulwark: \(path) cannot be created.", "Choose an --out in a folder you can write to."]
      status = .cannotCreate
    default:
      lines = [
        "bulwark: reading or writing \(path) failed.", "Check the disk and the file's permissions.",
      ]
      status = .inputOutput
    }
    if verbose { lines.append("  because: \(error)") }
  }
}
