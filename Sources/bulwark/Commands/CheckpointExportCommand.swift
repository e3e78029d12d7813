import ArgumentParser
import BulwarkStore
import Foundation

/// The foreign formats that weights are exchanged in, told by the file's name.
enum ExchangeFormat {
  case safetensors
  case pyTorch

  init(path: String) throws {
    switch URL(fileURLWithPath: path).pathExtension.lowercased() {
    case "safetensors": self = .safetensors
    case "pt", "pth": self = .pyTorch
    default:
      throw ToolError.usage(
        "\(path) does not say by its name in which format it is.",
        remedy: "Use a name that ends in .safetensors, .pt or .pth.")
    }
  }
}

/// `bulwark checkpoint export`: the weights for other tools.
struct CheckpointExportCommand: ToolCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write the weights of a checkpoint as safetensors or as a PyTorch state dict.",
    discussion: """
      The ending of OUT decides: .safetensors, or .pt or .pth. A safetensors file also carries the \
      architecture, the normalization and the class names as metadata.
      """)

  @Argument(help: "The checkpoint.")
  var path: String

  @Option(help: "The file to write.")
  var out: String

  @Flag(help: "Replace an existing file.")
  var force = false

  @OptionGroup(title: "Output")
  var output: OutputOptions

  func run() throws {
    let console = Console(output)
    let format = try ExchangeFormat(path: out)
    try OutputFile.claim(out, force: force)
    let checkpoint = try Checkpoint(reading: path)
    switch format {
    case .safetensors:
      try Safetensors.write(
        checkpoint.weights, to: out, metadata: metadata(checkpoint), overwrite: force)
    case .pyTorch:
      try PyTorchFile.write(checkpoint.weights, to: out, overwrite: force)
    }
    var result = ResultObject(command: "checkpoint export")
    result.inputs = ["checkpoint": .string(path)]
    result.outputs = ["weights": .string(out)]
    result.details = ["tensors": .int(checkpoint.weights.count)]
    try console.finish(result) { ["\(checkpoint.weights.count) tensors written to \(out)"] }
  }

  private func metadata(_ checkpoint: Checkpoint) throws -> [String: String] {
    var texts = ["format": "pt", "bulwark.architecture": try checkpoint.architecture.text()]
    if let normalization = checkpoint.normalization {
      texts["bulwark.normalization"] = try JSONValue(encoding: normalization).text()
    }
    texts["bulwark.class_names"] = try JSONValue(encoding: checkpoint.classNames).text()
    return texts
  }
}
