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

      Where DATA is a Bulwark data set, data.h5 keeps what that knows of itself: its index sets, of \
      which 'poisoned' and 'noise' then hold the samples of both attacks, and its origin. poison.json \
      is about the new attack alone.
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

  @Flag(help: "Check everything and estimate time and memory; write nothing.")
  var dryRun = false

  @OptionGroup(title: "Attack")
  var attack: AttackOptions

  @OptionGroup(title: "Reading the data")
  var dataOptions: DataSetOptions

  @OptionGroup(title: "Computing")
  var compute: Computing

  @OptionGroup(title: "Output")
  var output: OutputOptions

  func run() throws {
    let console = Console(output)
    var settings = PoisonSettings()
    settings.attack = attackName
    attack.overlay(on: &settings)
    let spec = try settings.requiredSpec(seed: seed)
    try dryRun ? OutputFile.check(out, force: force) : OutputFile.claim(out, force: force)
    let device = try compute.options.resolveDevice()
    let bundle = try console.load(data, options: dataOptions.loadOptions)
    let model = try attack.classifier.map { try LoadedModel($0, device: device, console: console) }
    try model?.check(bundle.train, path: data)
    let classifier = model.map { $0.model.attackView($0.normalization) }

    var result = ResultObject(command: "data poison")
    let begin = ContinuousClock.now
    result.inputs = try bundle.inputs
    if dryRun {
      let naming = (ContinuousClock.now - begin).inSeconds
      let trial = try PoisonTrial(spec, of: bundle)
      let changing = try trial.seconds(classifier: classifier, device: device)
      // The copy is named as the data were, digested and sealed: three passes over the pixels.
      return try finish(result, trial: trial, seconds: changing + 3 * naming, console)
    }
    let poisoned = try Poisoner(spec).poison(
      bundle.train, classifier: classifier, device: device
    ) { done, total in
      console.progress("poisoning", completed: done, total: total)
    }
    result.details = try details(spec, poisoned, in: bundle)
    result.details?["fingerprint"] = .string(try poisoned.dataset.fingerprint)
    result.outputs = try write(poisoned, of: bundle)
    try console.finish(result) {
      [
        amount(poisoned, "poisoned") + ", target \(bundle.train.classNames[spec.target])",
        "written to \(out): " + result.outputs.keys.sorted().joined(separator: ", "),
      ]
    }
  }

  /// Ends a dry run.
  private func finish(
    _ result: ResultObject, trial: PoisonTrial, seconds: Double, _ console: Console
  ) throws {
    var result = result
    let memory = trial.peakBytes
    result.metrics = [
      "estimated_seconds": ResultMetric(seconds, unit: "seconds"),
      "estimated_peak_memory": ResultMetric(Double(memory), unit: "bytes"),
    ]
    result.details = try details(trial.spec, trial.selection, in: trial.bundle)
    result.details?["dry_run"] = .bool(true)
    try console.finish(result) {
      [
        "Everything checked; nothing was written.", amount(trial.selection, "would be poisoned"),
        "estimated: \(spokenDuration(seconds)), \(spokenBytes(memory)) of memory",
      ]
    }
  }

  /// What the attack changes, and what the data held before.
  private func details(
    _ spec: AttackSpec, _ poisoned: PoisonedDataset, in bundle: DataBundle
  ) throws -> [String: JSONValue] {
    [
      "attack": try JSONValue(encoding: spec),
      "poisoned": .int(poisoned.poisonedIndices.count),
      "poisoned_share": .double(poisoned.poisonedShare),
      "poisoned_before": .int(bundle.indexSets["poisoned"]?.count ?? 0),
      "noise": .int(poisoned.noiseIndices.count),
    ]
  }

  /// As `72 of 1437 images poisoned (5.0 %)`.
  private func amount(_ poisoned: PoisonedDataset, _ verb: String) -> String {
    "\(poisoned.poisonedIndices.count) of \(poisoned.dataset.count) images \(verb) "
      + "(\(percent(poisoned.poisonedShare)))"
  }

  private func write(
    _ poisoned: PoisonedDataset, of bundle: DataBundle
  ) throws -> [String: JSONValue] {
    try OutputFile.makeFolder(out)
    func place(_ name: String) -> String { out + "/" + name }
    var outputs: [String: JSONValue] = [:]
    let manifest = try poisoned.manifest()
    // Data that were poisoned before hold those poisons still.
    var sets = bundle.indexSets
    for (name, new) in [
      ("poisoned", poisoned.poisonedIndices), ("noise", poisoned.noiseIndices),
    ] {
      sets[name] = Set(sets[name] ?? []).union(new).sorted()
    }
    var provenance = [PoisonManifest.provenanceKey: try JSONValue(encoding: manifest)]
    if bundle.provenance != .null { provenance["source"] = bundle.provenance }
    try DataBundle(
      train: poisoned.dataset, test: bundle.test, kind: .hdf5, path: place("data.h5"),
      indexSets: sets
    ).write(to: place("data.h5"), overwrite: force, provenance: .object(provenance))
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

extension DataPoisonCommand {
  /// Where the numbers are computed. There is no choice of arithmetic: attacks use float32.
  struct Computing: ParsableArguments {
    @Option(
      help: "Where the classifier of label-consistent computes: cpu, cuda, cuda:N or auto.")
    var device: DeviceChoice?

    @Option(help: "CPU threads; default: one for each core.")
    var threads: Int?

    func validate() throws { try options.validate() }

    /// The same in the form that other commands have.
    var options: ComputeOptions {
      var options = ComputeOptions()
      options.device = device
      options.threads = threads
      return options
    }
  }
}

/// What an attack on a data set will change and take, found out on a few of the images.
private struct PoisonTrial {
  /// Images that are changed at most.
  private static let mostImages = 256
  /// The same where a classifier is asked about each.
  private static let mostClassified = 32
  /// Steps of the perturbation that are timed.
  private static let timedSteps = 2

  let spec: AttackSpec
  let bundle: DataBundle
  /// The samples that the attack draws. Their images are stand-ins of four pixels: the draw depends on the
  /// labels alone and is the same for all attacks that change labels, and for all that do not.
  let selection: PoisonedDataset

  /// Draws the samples.
  ///
  /// - Throws: what poisoning all images throws for a rate or a target that does not fit the data.
  init(_ spec: AttackSpec, of bundle: DataBundle) throws {
    self.spec = spec
    self.bundle = bundle
    let train = bundle.train
    var standIn = spec
    standIn.attack =
      spec.attack.isCleanLabel
      ? .sinusoid(SinusoidAttack()) : .waNet(WaNetAttack(noiseRatio: Self.noiseRatio(of: spec)))
    let drawn = try Poisoner(standIn).poison(
      ImageDataset(
        images: Tensor.zeros([train.count, 1, 2, 2], dtype: .uint8), labels: train.labels,
        classNames: train.classNames))
    selection = drawn
  }

  private static func noiseRatio(of spec: AttackSpec) -> Double {
    if case .waNet(let attack) = spec.attack { return attack.noiseRatio }
    return 0
  }

  /// Seconds that changing all drawn images takes.
  ///
  /// - Parameters:
  ///   - classifier: as poisoning takes it.
  ///   - device: where the classifier lives.
  /// - Returns: seconds, of the second of two passes over the images that are tried.
  /// - Throws: what poisoning throws.
  func seconds(classifier: Classifier?, device: Device) throws -> Double {
    // Also where nothing is drawn, the trigger must fit.
    _ = try spec.attack.trigger(
      for: ImageForm(of: bundle.train.images), phase: .training, key: spec.key)
    let ratio = Self.noiseRatio(of: spec)
    let most = spec.attack.needsClassifier ? Self.mostClassified : Self.mostImages
    let poisons = selection.poisonedIndices.prefix(max(1, Int(Double(most) / (1 + ratio))))
    guard !poisons.isEmpty else { return 0 }
    let noise = selection.noiseIndices.prefix(Int((ratio * Double(poisons.count)).rounded()))
    let sample = try bundle.train.subset(Array(poisons) + noise)
    var timed = spec
    timed.draw = .exact
    timed.rate = Double(poisons.count) / Double(sample.count)
    var parts = Double(selection.poisonedIndices.count) / Double(poisons.count)
    if case .labelConsistent(var attack) = spec.attack {
      let steps = min(Self.timedSteps, attack.perturbation.steps)
      parts *= Double(attack.perturbation.steps) / Double(steps)
      attack.perturbation.steps = steps
      timed.attack = .labelConsistent(attack)
    }
    let poisoner = try Poisoner(timed)
    func pass() throws {
      _ = try poisoner.poison(sample, classifier: classifier, device: device)
    }
    // The first pass chooses kernels.
    try pass()
    let begin = ContinuousClock.now
    try pass()
    return (ContinuousClock.now - begin).inSeconds * parts
  }

  /// The largest resident size in bytes: what it was so far, the poisoned copy, and training and test
  /// images in one piece, as they are written.
  var peakBytes: Int {
    func bytes(_ dataset: ImageDataset) -> Int { dataset.images.shape.reduce(1, *) }
    let train = bytes(bundle.train)
    return StopWatch.peakBytes() + train + (bundle.test.map { train + bytes($0) } ?? 0)
  }
}

extension PoisonedDataset {
  /// Share of all images that carry the trigger.
  fileprivate var poisonedShare: Double { Double(poisonedIndices.count) / Double(dataset.count) }
}
