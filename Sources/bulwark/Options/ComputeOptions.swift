import ArgumentParser
import BulwarkTensor
import BulwarkTraining

/// Where and how the numbers are computed.
struct ComputeOptions: ParsableArguments {
  @Option(help: "Where to compute: cpu, cuda, cuda:N or auto.")
  var device: DeviceChoice?

  @Option(help: "Arithmetic: bf16, fp32 or auto.")
  var precision: Precision?

  @Option(help: "CPU threads; default: one for each core.")
  var threads: Int?

  func validate() throws {
    if let threads, !(1...4096).contains(threads) {
      throw ValidationError("--threads is \(threads); give a number in 1...4096.")
    }
  }
}

/// The value of `--device`.
enum DeviceChoice: Equatable, ExpressibleByArgument {
  case automatic
  case cpu
  case cuda(Int)

  init?(argument: String) {
    switch argument {
    case "auto": self = .automatic
    case "cpu": self = .cpu
    case "cuda": self = .cuda(0)
    default:
      guard argument.hasPrefix("cuda:"), let index = Int(argument.dropFirst(5)), index >= 0 else {
        return nil
      }
      self = .cuda(index)
    }
  }

  static var allValueStrings: [String] { ["cpu", "cuda", "cuda:0", "auto"] }

  var defaultValueDescription: String { name }

  var name: String {
    switch self {
    case .automatic: "auto"
    case .cpu: "cpu"
    case .cuda(let index): "cuda:\(index)"
    }
  }
}

extension Precision: ExpressibleByArgument {}

extension ComputeOptions {
  /// Sets the number of threads and finds the device.
  ///
  /// - Throws: `TensorError` when LibTorch or the device is missing.
  func resolveDevice() throws -> Device {
    let runtime = try Runtime.shared()
    if let threads { try runtime.setThreadCount(threads) }
    return try Device(parsing: (device ?? .automatic).name)
  }

  /// Puts what was given over a recipe.
  func overlay(on recipe: inout some ToolRecipe) {
    if let device { recipe.device = device.name }
    if let precision { recipe.precision = precision }
    if let threads { recipe.threads = threads }
  }
}
