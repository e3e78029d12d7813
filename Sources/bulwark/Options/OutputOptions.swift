import ArgumentParser

/// How the tool talks.
struct OutputOptions: ParsableArguments {
  @Flag(help: "Print the result as one JSON object on stdout.")
  var json = false

  @Flag(name: .shortAndLong, help: "Print nothing on stderr but errors.")
  var quiet = false

  @Flag(name: .shortAndLong, help: "Print details, and the causes of an error.")
  var verbose = false

  func validate() throws {
    if quiet && verbose {
      throw ValidationError("--quiet and --verbose exclude each other; give one of them.")
    }
  }
}
