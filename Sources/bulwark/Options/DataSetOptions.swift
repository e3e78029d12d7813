import ArgumentParser
import BulwarkData

/// How a data set is read. The path itself belongs to each command.
struct DataSetOptions: ParsableArguments {
  @Option(help: "Kind of the data set, where detection is wrong.")
  var dataKind: DataKind?

  @Option(help: "Use at most this many training samples, balanced over the classes.")
  var limit: Int?

  @Option(help: "Use at most this many test samples, balanced over the classes.")
  var testLimit: Int?

  @Option(help: "Bring every image to this side: shorter side scaled, middle square kept.")
  var imageSize: Int?

  @Option(help: "Convert every image to 1 (gray) or 3 (color) channels.")
  var channels: Int?

  @Flag(help: "Leave out bad files with a counted warning instead of stopping.")
  var skipBad = false

  func validate() throws {
    do {
      try loadOptions.validate()
    } catch let error as DataError {
      throw ValidationError(error.summary + " " + error.remedy)
    }
  }

  /// What the loader is told.
  var loadOptions: DataOptions {
    DataOptions(
      kind: dataKind, limit: limit, testLimit: testLimit, imageSize: imageSize, channels: channels,
      skipBad: skipBad)
  }
}

extension DataKind: ExpressibleByArgument {}
