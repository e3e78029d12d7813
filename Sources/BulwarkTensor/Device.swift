/// Where a tensor lives.
public enum Device: Hashable, Sendable, CustomStringConvertible {
  /// Main memory.
  case cpu
  /// The CUDA device of this index.
  case cuda(Int)

  /// `cpu` or `cuda:n`.
  public var description: String {
    switch self {
    case .cpu: "cpu"
    case .cuda(let index): "cuda:\(index)"
    }
  }

  /// Code of the shim: -1 for the CPU, otherwise the index of the CUDA device.
  var code: Int32 {
    switch self {
    case .cpu: -1
    case .cuda(let index): Int32(index)
    }
  }

  init(code: Int32) { self = code < 0 ? .cpu : .cuda(Int(code)) }

  /// Reads `cpu`, `cuda`, `cuda:n` or `auto` (the first CUDA device when there is one).
  ///
  /// - Throws: `TensorError.device` when the name is unknown or the device is not there.
  public init(parsing name: String) throws {
    switch name {
    case "cpu": self = .cpu
    case "auto": self = try Runtime.shared().cudaDeviceCount() > 0 ? .cuda(0) : .cpu
    default:
      let parts = name.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.first == "cuda", parts.count <= 2,
        let index = parts.count == 1 ? 0 : Int(parts[1]), index >= 0
      else {
        throw TensorError.device("'\(name)' is not a device", "use cpu, cuda, cuda:n or auto")
      }
      let found = try Runtime.shared().cudaDevices()
      guard index < found.count else {
        throw TensorError.device(
          "the device \(name) was asked for, but \(found.count) CUDA devices were found",
          "use --device cpu, or install the CUDA driver and the CUDA libraries of LibTorch; --verbose shows "
            + "what is missing", cause: found.problem)
      }
      self = .cuda(index)
    }
  }
}
