import ArgumentParser
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// `bulwark checkpoint import`: weights that another tool trained.
struct CheckpointImportCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Make a checkpoint of a PyTorch state dict (.pt, .pth) or a safetensors file.",
    discussion: """
      Only tensors are read; no code of the file is run. The weights must carry torchvision's names \
      (conv1.weight, layer1.0.bn1.running_mean, fc.bias, ...); from a .pt or .pth file, a \
      common prefix such as `module.` is removed. Buffers normalize.mean and normalize.std, which networks \
      of the Unlearn-Saliency repository hold, become --mean and --std.
      """)

  @Argument(help: "The file of weights.")
  var path: String

  @Option(help: "The checkpoint to write.")
  var out: String

  @Option(help: "Architecture: \(Architecture.Family.listing).")
  var model: Architecture.Family

  @Option(help: "First layers: cifar (3x3) or imagenet (7x7 and pooling).")
  var stem = Architecture.Stem.cifar

  @Option(help: "Channels of the first stage; 64 is the published size.")
  var width = 64

  @Option(help: "Number of classes.")
  var classes: Int

  @Option(help: "Channels of an image: 1 or 3.")
  var channels = 3

  @Option(parsing: .upToNextOption, help: "Mean of each channel that was subtracted, in 0...1.")
  var mean: [Double] = []

  @Option(parsing: .upToNextOption, help: "Standard deviation of each channel, in units of 0...1.")
  var std: [Double] = []

  @Option(parsing: .upToNextOption, help: "Names of the classes, in the order of the labels.")
  var classNames: [String] = []

  @Flag(help: "Replace an existing checkpoint.")
  var force = false

  @OptionGroup(title: "Output")
  var output: OutputOptions

  func validate() throws {
    guard mean.count == std.count, mean.isEmpty || mean.count == channels else {
      throw ValidationError(
        "--mean has \(mean.count) and --std \(std.count) values; give \(channels) of each, or none."
      )
    }
    guard classNames.isEmpty || classNames.count == classes else {
      throw ValidationError("--class-names has \(classNames.count) names; give \(classes).")
    }
    guard classes > 0, width > 0, channels == 1 || channels == 3 else {
      throw ValidationError("--classes and --width are at least 1, --channels is 1 or 3.")
    }
  }

  func run() throws {
    let console = Console(output)
    let format = try ExchangeFormat(path: path)
    try OutputFile.claim(out, force: force)
    let weights =
      switch format {
      case .safetensors: try Safetensors.read(path).tensors
      case .pyTorch: try readPyTorch(console)
      }
    let (layers, mean, deviation) = try separated(weights, console)
    let architecture = Architecture(
      model, stem: stem, width: width, classes: classes, channels: channels)
    let network = try architecture.build(key: RandomKey(seed: 0))
    try network.state.load(layers.pairs.map { (name: $0.0, tensor: $0.1) })
    var checkpoint = Checkpoint(
      weights: StateDict(try network.state.snapshot().map { ($0.name, $0.tensor) }),
      architecture: try JSONValue(encoding: architecture),
      classNames: classNames, notes: ["imported_from": .string(path)],
      codeVersion: ToolVersion.current)
    if !mean.isEmpty { checkpoint.normalization = .init(mean: mean, std: deviation) }
    if mean.isEmpty {
      console.note(
        "note: without --mean and --std nobody knows how images are normalized: the file can be "
          + "inspected and exported, and not used")
    }
    if classNames.isEmpty {
      console.note("note: without --class-names labels are in the order of the data's classes")
    }
    try checkpoint.write(to: out, overwrite: force)

    var result = ResultObject(command: "checkpoint import")
    result.inputs = ["weights": .string(path)]
    result.outputs = ["checkpoint": .string(out)]
    result.details = [
      "tensors": .int(checkpoint.weights.count), "architecture": checkpoint.architecture,
    ]
    try console.finish(result) {
      ["\(checkpoint.weights.count) tensors of \(path) written to \(out)"]
    }
  }

  /// Weights without the buffers of a normalization inside the network, and that normalization where the
  /// command line gives none.
  private func separated(_ weights: StateDict, _ console: Console) throws -> (
    layers: StateDict, mean: [Double], deviation: [Double]
  ) {
    let names = (mean: "normalize.mean", deviation: "normalize.std")
    guard let center = weights[names.mean], let spread = weights[names.deviation],
      center.count == channels, spread.count == channels
    else { return (weights, mean, std) }
    let layers = StateDict(weights.pairs.filter { ![names.mean, names.deviation].contains($0.0) })
    guard mean.isEmpty else { return (layers, mean, std) }
    console.note("took mean and deviation of the images from normalize.mean and normalize.std")
    func numbers(_ tensor: Tensor) throws -> [Double] {
      try tensor.reshape([-1]).to(.float64).doubles()
    }
    return (layers, try numbers(center), try numbers(spread))
  }

  private func readPyTorch(_ console: Console) throws -> StateDict {
    let content = try PyTorchFile.read(path)
    if let prefix = content.strippedPrefix { console.note("removed the prefix '\(prefix)'") }
    if let key = content.key { console.note("took the state dict under '\(key)'") }
    if !content.ignored.isEmpty {
      console.note("left out: " + content.ignored.joined(separator: ", "))
    }
    return content.tensors
  }
}

extension Architecture.Family: ExpressibleByArgument {
  /// All families, for help texts.
  static var listing: String { allCases.map(\.rawValue).joined(separator: ", ") }
}

extension Architecture.Stem: ExpressibleByArgument {}
