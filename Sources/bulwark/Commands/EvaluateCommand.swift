import ArgumentParser
import BulwarkData
import BulwarkPoisoning
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// `bulwark evaluate`: every metric of a checkpoint on a data set.
struct EvaluateCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Measure a checkpoint on a data set: clean accuracy, attack success rate.",
    discussion: """
      The attack success rate needs a trigger: that of a data set that `bulwark data poison` wrote, \
      or the one of --trigger.
      """)

  @Argument(help: "The checkpoint.")
  var checkpoint: String

  @Option(help: "The data set; its test part is measured, or all of it where it has none.")
  var data: String

  @Option(help: "Manifest (poison.json) of the attack whose trigger is put on the test images.")
  var trigger: String?

  @Flag(help: "Check everything and estimate time and memory; measure nothing.")
  var dryRun = false

  @OptionGroup(title: "Reading the data")
  var dataOptions: DataSetOptions

  @OptionGroup(title: "Computing")
  var compute: ComputeOptions

  @OptionGroup(title: "Output")
  var output: OutputOptions

  func run() throws {
    let console = Console(output)
    let device = try compute.resolveDevice()
    let loaded = try LoadedModel(checkpoint, device: device, console: console)
    let bundle = try console.load(data, options: dataOptions.loadOptions)
    let test = try bundle.test ?? honest(bundle)
    if bundle.test == nil { console.note("\(data) has no test part; measuring all of it") }
    try loaded.check(test, path: data)
    let manifest =
      try trigger.map { try PoisonManifest.given($0) } ?? PoisonManifest.stored(in: bundle)
    if let known = loaded.checkpoint.fingerprints["test"], try known != test.fingerprint {
      console.note(
        "note: \(data), as it was read here (\(test.width)×\(test.height) pixels), is not the test set that "
          + "\(checkpoint) was measured on")
    }
    let session = try TrainingSession(
      seed: 0, device: device, precision: compute.precision ?? .auto)
    let evaluator = Evaluator(
      test: test, triggered: try manifest?.poisoner().triggeredTest(test),
      normalization: loaded.normalization)
    var result = ResultObject(command: "evaluate")
    result.inputs = try bundle.inputs.merging(loaded.inputs()) { $1 }
    if let trigger { result.inputs["trigger"] = .string(trigger) }
    if dryRun {
      let one = try loaded.model.secondsPerImage(of: test, loaded.normalization, session: session)
      return try WorkEstimate(seconds: one * Double(evaluator.imageCount))
        .finish(result, images: evaluator.imageCount, console)
    }
    console.note("measuring \(test.count) images")
    let values = try evaluator.measure(loaded.model, session: session)
    result.metrics = values.byName
    try console.finish(result) {
      var table = Table("metric", "value", "n")
      table.rows = values.map { [$0.definition.name, spokenMetric($0), String($0.count)] }
      return table.lines()
    }
  }

  /// The training part, unless it is known to be poisoned: its labels would not be the truth.
  private func honest(_ bundle: DataBundle) throws -> ImageDataset {
    let poisons = bundle.indexSets["poisoned"] ?? []
    guard poisons.isEmpty else {
      throw ToolError(
        summary: "\(data) has no test part, and \(poisons.count) of its images are poisoned.",
        remedy: "Measure on clean images of the same classes; --trigger puts the attack on them.",
        category: .badData)
    }
    return bundle.train
  }
}
