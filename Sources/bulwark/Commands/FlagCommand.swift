import ArgumentParser
import BulwarkData
import BulwarkDefense
import BulwarkPoisoning
import BulwarkStore
import BulwarkTraining
import BulwarkUnlearning
import Foundation

/// `bulwark flag`: which training samples a checkpoint finds suspicious.
struct FlagCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "flag",
    abstract:
      "Rank training samples by how suspicious a checkpoint, or their bare pixels, make them.",
    discussion: """
      With a checkpoint, the score of a sample is the symmetric cross-entropy of the model against the given label, \
      in evaluation mode, without augmentation: the higher, the more suspicious. All samples are \
      ranked; flagged are the first --count, or, without it, all whose label the model disputes. \
      Where DBD suspected classes of being an attack's target, only samples of those are flagged; \
      samples that DBD left out of its training come first.

      Without a checkpoint, the score is how surely a linear model of the bare pixels, which has learned from \
      other samples, knows the given label: log(p / (1 − p)), less the lower quartile of the class. Such a model cannot see what an image shows, only a pattern at a fixed place. \
      Flagged are the samples of a class that are known so well that hardly any sample of another class is: a \
      patch, a picture or a sinusoid laid over them gives them away. --count flags that many of such a class, \
      or, where there is none, of all. It takes three classes of ten samples or more, and seconds for small \
      images. It cannot see a trigger that bends every image in its own way (WaNet), or a faint one.
      """)

  @Argument(help: "The checkpoint: of a DBD run, or any other; without one, the pixels decide.")
  var checkpoint: String?

  @Option(help: "The training set as it was given to the model.")
  var data: String

  @Option(help: "Where to write: the list goes to OUT.json and OUT.h5.")
  var out: String

  @Option(help: "Flag this many samples, the most suspicious ones.")
  var count: Int?

  @Flag(
    help: """
      Flag samples of every class, also where DBD suspected only some; without a checkpoint it takes \
      --count, too.
      """)
  var allClasses = false

  @Option(
    help: "The true poisons, to measure against: poison.json, or a JSON, CSV or HDF5 list.")
  var truth: String?

  @Flag(help: "Replace existing lists.")
  var force = false

  @Flag(help: "Check everything and estimate time and memory; write nothing.")
  var dryRun = false

  @OptionGroup(title: "Reading the data")
  var dataOptions: DataSetOptions

  @OptionGroup(title: "Computing")
  var compute: ComputeOptions

  @OptionGroup(title: "Output")
  var output: OutputOptions

  func validate() throws {
    if let count, count < 1 {
      throw ValidationError("--count is \(count); give a number of at least 1.")
    }
    if allClasses, checkpoint == nil, count == nil {
      throw ValidationError(
        "Without a checkpoint --all-classes has no effect on its own; give --count, too, or leave it out."
      )
    }
  }

  func run() throws {
    let console = Console(output)
    for file in [out + ".json", out + ".h5"] {
      try dryRun ? OutputFile.check(file, force: force) : OutputFile.claim(file, force: force)
    }
    let device = try compute.resolveDevice()
    let loaded = try checkpoint.map { try LoadedModel($0, device: device, console: console) }
    let bundle = try console.load(data, options: dataOptions.loadOptions)
    let train = bundle.train
    try loaded?.check(train, path: data)
    let known = try truth.map { try truePoisons($0, of: train) }

    let session = try TrainingSession(
      seed: 0, device: device, precision: compute.precision ?? .auto)
    var result = ResultObject(command: "flag")
    result.inputs = try bundle.inputs.merging(loaded?.inputs() ?? [:]) { $1 }
    if dryRun {
      return try WorkEstimate(seconds: estimatedSeconds(train, by: loaded, session: session))
        .finish(result, images: train.count, console)
    }
    console.note("ranking \(train.count) samples")
    let judgement = try judge(train, by: loaded, session: session, console: console)
    let (ranking, flagged, suspects) = (judgement.ranking, judgement.flagged, judgement.suspects)

    let paths = try SuspicionListFile(
      ranking: ranking, flagged: flagged, dataset: train, origin: result.inputs,
      score: judgement.score
    ).write(base: out, overwrite: force)
    result.outputs = ["json": .string(paths.json), "hdf5": .string(paths.hdf5)]
    let poisons =
      try known ?? bundle.indexSets["poisoned"]
      ?? loaded?.knownPoisons(of: train.fingerprint)
    let evidence =
      SuspicionRanking.evidence(flagged: flagged, knownPoisons: poisons)
      + ranking.evidence(knownPoisons: poisons)
    result.metrics = evidence.byName
    let names = suspects.map { train.classNames[$0] }
    result.details = judgement.details.merging([
      "samples": .int(train.count), "flagged": .int(flagged.count),
      "suspected_classes": .array(names.map(JSONValue.string)),
    ]) { $1 }
    if let count, flagged.count < min(count, train.count) {
      console.note(
        "note: only \(flagged.count) samples of the suspected classes are there to flag; --all-classes takes "
          + "others, too")
    }
    if loaded == nil, suspects.isEmpty {
      console.note(
        "note: no class is given away by a fixed pattern"
          + (flagged.isEmpty ? ". " : ", so what --count flags is no more than what is easy. ")
          + "That clears no sample of triggers that bend images or are faint: rank with the checkpoint of a "
          + "DBD run on the same data.")
    } else if flagged.isEmpty {
      console.note(
        "note: the model disputes no label. One that was trained on the poisons without a defense agrees "
          + "with them: rank with the checkpoint of a DBD run on the same data.")
    }
    try console.finish(result) {
      let areTheirs = flagged.allSatisfy { suspects.contains(ranking.labels[$0]) }
      let classes =
        names.isEmpty || !areTheirs ? "" : ", all of them \(names.joined(separator: " or "))"
      var lines = [
        "\(flagged.count) of \(train.count) samples flagged\(classes); the most suspicious of all:",
        "",
      ]
      lines += topOfList(ranking, of: train).lines() + [""]
      lines += evidence.map { "\($0.definition.name): \(spokenMetric($0))" }
      return lines + ["written: \(paths.json), \(paths.hdf5)"]
    }
  }

  private func judge(
    _ train: ImageDataset, by loaded: LoadedModel?, session: TrainingSession, console: Console
  ) throws -> FlagJudgement {
    guard let loaded else {
      return try FlagJudgement(
        pixelsOf: train, count: count, allClasses: allClasses, session: session)
    }
    let isItsOwn = try loaded.checkpoint.fingerprints["train"] == train.fingerprint
    if !isItsOwn {
      console.note(
        "note: \(data) is not the training set of \(loaded.path), or not all of it; positions in the list "
          + "are those of \(data) as it was read here.")
    }
    return try FlagJudgement(
      loaded, of: train, isItsOwn: isItsOwn, count: count, allClasses: allClasses, session: session)
  }

  /// Seconds that the ranking will take. Throws what the ranking would.
  private func estimatedSeconds(
    _ train: ImageDataset, by loaded: LoadedModel?, session: TrainingSession
  ) throws -> Double {
    if let loaded {
      _ = try loaded.suspectedClasses(of: train)
      return try Double(train.count)
        * loaded.model.secondsPerImage(of: train, loaded.normalization, session: session)
    }
    return try FlagJudgement.secondsForPixels(of: train, session: session)
  }

  /// The true poisons in a file; a manifest must be that of the data.
  private func truePoisons(_ path: String, of train: ImageDataset) throws -> [Int] {
    if let manifest = try? PoisonManifest(reading: path) {
      try manifest.checkBelongs(to: train.fingerprint)
    }
    return try ForgetListFile.read(path, of: train.count)
  }

  private func topOfList(_ ranking: SuspicionRanking, of train: ImageDataset) -> Table {
    var table = Table("rank", "index", "score", "given", "predicted")
    for (rank, index) in ranking.descending.prefix(10).enumerated() {
      table.rows.append([
        String(rank + 1), String(index), String(format: "%.3f", ranking.scores[index]),
        train.classNames[ranking.labels[index]], train.classNames[ranking.predicted[index]],
      ])
    }
    return table
  }
}

extension LoadedModel {
  /// The labels that DBD suspected of being an attack's target.
  func suspectedClasses(of dataset: ImageDataset) throws -> [Int] {
    let suspects = try checkpoint.suspectedClasses()
    guard suspects.allSatisfy(dataset.classNames.indices.contains) else {
      throw ToolError(
        summary: "\(path) suspects the classes \(suspects), the data have only "
          + "\(dataset.classCount).",
        remedy: "Use the data that the model was trained on, or add --all-classes.",
        category: .badData)
    }
    return suspects
  }

  /// The true poisons that the checkpoint records, when it was trained on these very data.
  func knownPoisons(of fingerprint: String) -> [Int]? {
    checkpoint.fingerprints["train"] == fingerprint ? checkpoint.indexSets["poisoned"] : nil
  }
}
