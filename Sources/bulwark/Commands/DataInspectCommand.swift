import ArgumentParser
import BulwarkData
import BulwarkStore

/// `bulwark data inspect`: what a data set is.
struct DataInspectCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show kind, shape, classes, counts per class and fingerprint of a data set.",
    discussion: """
      PATH is `digits` (embedded), an image folder (<class>/*, or train/<class>/* and test/<class>/*), \
      a folder of CIFAR-10/100 binaries or MNIST IDX files, or a Bulwark HDF5 data set.

      Data sets to download:

      \(KnownDatasets.description)
      """)

  @Argument(help: "The data set.")
  var path: String

  @OptionGroup(title: "Reading the data")
  var data: DataSetOptions

  @OptionGroup(title: "Output")
  var output: OutputOptions

  func run() throws {
    let console = Console(output)
    let bundle = try console.load(path, options: data.loadOptions)
    var table = Table("class", "name", "train", "test")
    let testCounts = bundle.test?.countsPerClass
    for (label, name) in bundle.train.classNames.enumerated() {
      let test = testCounts.map { String($0[label]) } ?? "–"
      table.rows.append([String(label), name, String(bundle.train.countsPerClass[label]), test])
    }

    var result = ResultObject(command: "data inspect")
    result.inputs = try bundle.inputs
    result.details = [
      "kind": .string(bundle.kind.rawValue), "train": try describe(bundle.train),
      "test": try bundle.test.map(describe) ?? .null,
      "classes": .array(bundle.train.classNames.map(JSONValue.string)),
      "warnings": .array(bundle.warnings.map(JSONValue.string)),
    ]
    try console.finish(result) {
      let splits = [("train", bundle.train)] + (bundle.test.map { [("test", $0)] } ?? [])
      return try ["\(path): \(bundle.kind.rawValue), \(bundle.train.classCount) classes"]
        + splits.map { name, split in
          "\(name): \(split.count) images of \(split.channels) x \(split.height) x "
            + "\(split.width), \(spokenBytes(split.images.count)), "
            + "fingerprint \(try split.fingerprint)"
        } + [""] + table.lines()
    }
  }

  private func describe(_ split: ImageDataset) throws -> JSONValue {
    [
      "shape": .array(split.images.shape.map(JSONValue.int)),
      "counts_per_class": .array(split.countsPerClass.map(JSONValue.int)),
      "fingerprint": .string(try split.fingerprint),
    ]
  }
}
