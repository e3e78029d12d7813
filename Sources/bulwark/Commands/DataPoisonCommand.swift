import ArgumentParser
import BulwarkData
import BulwarkPoisoning
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation

/// `bulwark data poison`: a poisoned copy of a data set, with the truth beside it.
struct DataPoisonCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "poison",
    abstract: "Write a poisoned copy of a data set with the ground-truth index list beside it.",
    discussion: """
      OUT becomes a folder with data.h5 (poisoned training set and clean test set: a data set for \
      --data that also knows its trigger), poison.json (attack, rate, target, seed and the list of \
      poisoned samples) and pictures.png (clean | poisoned | difference ×10).
      """)

  @Option(help: "The clean data set.")
  var data: String

  @Option(
    name: .customLong("attack"),
    help: ArgumentHelp("The attack: \(AttackOptions.names).", valueName: "name"))
  var attackName: String

  @Option(help: "Folder to write; it must not exist yet, or be empty.")
  var out: String

  @Flag(help: "Replace the files of an earlier run in OUT.")
  var force = false

  @Option(help: "Seed of the choice of images and of the trigger's random parts.")
  var seed: UInt64 = 0

  @Flag(help: "Check everything and say what would be written; write nothing.")
  var dryRun = false

  @OptionGroup(title: "Attack")
  var attack: AttackOptions

  @OptionGroup(title: "Reading the data")
  var dataOptions: DataSetOptions

  @OptionGroup(title: "Computing")
  var compute: ComputeOptions

  @OptionGroup(title: "Output")
  var output: OutputOptions

  func run() throws {
    let console = Console(output)
    var settings = PoisonSettings()
    settings.attack = attackName
    attack.overlay(on: &settings)
    let spec = try settings.requiredSpec(seed: seed)
    try dryRun ? OutputFile.check(out, force: force) : OutputFile.claim(out, force: force)
    let device = try compute.resolveDevice()
    let bundle = try console.load(data, options: dataOptions.loadOptions)
    let model = try attack.classifier.map { try LoadedModel($0, device: device) }
    try model?.check(bundle.train, path: data)

    let poisoned = try Poisoner(spec).poison(
      bundle.train, classifier: model.map { $0.model.attackView($0.normalization) }, device: device
    ) { done, total in
      console.progress("poisoning", completed: done, total: total)
    }
    let share = Double(poisoned.poisonedIndices.count) / Double(bundle.train.count)
    var result = ResultObject(command: "data poison")
    result.inputs = try bundle.inputs
    result.metrics = [
      "poisoned_share": ResultMetric(share, unit: "fraction", n: bundle.train.count)
    ]
    result.details = [
      "attack": try JSONValue(encoding: spec), "poisoned": .int(poisoned.poisonedIndices.count),
      "noise": .int(poisoned.noiseIndices.count),
      "fingerprint": .string(try poisoned.dataset.fingerprint),
    ]
    if !dryRun { result.outputs = try write(poisoned, test: bundle.test) }
    try console.finish(result) {
      let what = "\(poisoned.poisonedIndices.count) of \(bundle.train.count) images "
      guard !dryRun else { return [what + "would be poisoned (\(percent(share)))"] }
      return [
        what + "poisoned (\(percent(share))), target \(bundle.train.classNames[spec.target])",
        "written to \(out): " + result.outputs.keys.sorted().joined(separator: ", "),
      ]
    }
  }

  private func write(_ poisoned: PoisonedDataset, test: ImageDataset?) throws -> [String: JSONValue]
  {
    try OutputFile.makeFolder(out)
    func place(_ name: String) -> String { out + "/" + name }
    var outputs: [String: JSONValue] = [:]
    let manifest = try poisoned.manifest()
    try DataBundle(
      train: poisoned.dataset, test: test, kind: .hdf5, path: place("data.h5"),
      indexSets: ["poisoned": poisoned.poisonedIndices, "noise": poisoned.noiseIndices]
    ).write(
      to: place("data.h5"), overwrite: force,
      provenance: [PoisonManifest.provenanceKey: try JSONValue(encoding: manifest)])
    outputs["data"] = .string(place("data.h5"))
    if !poisoned.poisonedIndices.isEmpty {
      try poisoned.writePictures(to: place("pictures.png"))
      outputs["pictures"] = .string(place("pictures.png"))
    } else if force {
      try? FileManager.default.removeItem(atPath: place("pictures.png"))
    }
    // Last: where the manifest is, everything else is.
    try manifest.write(to: place("poison.json"), overwrite: force)
    outputs["manifest"] = .string(place("poison.json"))
    return outputs
  }
}
