import CTorch
import Foundation

/// LibTorch, loaded at first use.
///
/// The folder that holds `torch/lib` is `$BULWARK_LIBTORCH`, else `bulwark/libtorch-2.11.0` under
/// `$XDG_CACHE_HOME` (default `~/.cache`), where `Scripts/setup` puts it. The shim library is
/// `$BULWARK_SHIM`, else `libBulwarkTorchShim.so` beside the running program.
public final class Runtime: @unchecked Sendable {
  let api: UnsafePointer<bw_api>
  private let libraryDirectory: String

  private static let loaded = Result { try Runtime() }

  /// The one instance of the process.
  ///
  /// - Throws: `TensorError.runtime` when LibTorch or the shim is missing or of another version.
  public static func shared() throws -> Runtime { try loaded.get() }

  /// Version of LibTorch that this package is built for.
  public static let expectedVersion = "2.11.0"

  private init() throws {
    let environment = ProcessInfo.processInfo.environment
    let directory =
      environment["BULWARK_LIBTORCH"] ?? Runtime.defaultDirectory(environment: environment)
    let shim = environment["BULWARK_SHIM"] ?? Runtime.shimBesideProgram()
    var stage: Int32 = 0
    var message = [CChar](repeating: 0, count: 4096)
    guard let api = bw_load(directory, shim, &stage, &message, Int64(message.count)) else {
      let cause = String(
        decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      throw Runtime.failure(stage: stage, directory: directory, shim: shim, cause: cause)
    }
    self.api = api
    libraryDirectory = directory
    var version: UnsafePointer<CChar> = api.pointee.last_error()
    guard api.pointee.torch_version(&version) == 0,
      String(cString: version).hasPrefix(Runtime.expectedVersion)
    else {
      throw TensorError.runtime(
        "LibTorch \(String(cString: version)) was found in \(directory), but "
          + "\(Runtime.expectedVersion) is needed",
        "run Scripts/setup, or point BULWARK_LIBTORCH at LibTorch \(Runtime.expectedVersion)",
        cause: "")
    }
    _ = api.pointee.keep_large_blocks(1)
  }

  private static func defaultDirectory(environment: [String: String]) -> String {
    let cache = environment["XDG_CACHE_HOME"] ?? (environment["HOME"] ?? "") + "/.cache"
    return cache + "/bulwark/libtorch-\(expectedVersion)"
  }

  /// Beside the program that runs: the build folder of the tool and of the test bundles; else in the folder of
  /// the other configuration, since `swift run bulwark` builds the tool alone.
  private static func shimBesideProgram() -> String {
    let name = "libBulwarkTorchShim.so"
    var candidates = CommandLine.arguments.filter { $0.hasSuffix(".xctest") }
    if let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") {
      candidates.insert(program, at: 0)
    }
    let folders = candidates.map { URL(fileURLWithPath: $0).deletingLastPathComponent() }
    let others = folders.flatMap { folder in
      ["release", "debug"].map { folder.deletingLastPathComponent().appendingPathComponent($0) }
    }
    for folder in folders + others {
      let path = folder.appendingPathComponent(name).path
      if FileManager.default.isReadableFile(atPath: path) { return path }
    }
    return name
  }

  private static func failure(stage: Int32, directory: String, shim: String, cause: String)
    -> TensorError
  {
    switch stage {
    case 1:
      .runtime(
        "LibTorch \(expectedVersion) was not found in \(directory)",
        "run Scripts/setup, or point BULWARK_LIBTORCH at the folder that holds torch/lib",
        cause: cause)
    case 2:
      .runtime(
        "LibTorch in \(directory) could not be loaded",
        "remove that folder and run Scripts/setup", cause: cause)
    case 4:
      .runtime(
        "\(shim) belongs to another build of Bulwark", "run swift build", cause: cause)
    default:
      .runtime(
        "Bulwark's LibTorch shim \(shim) could not be loaded",
        "run swift build, or point BULWARK_SHIM at libBulwarkTorchShim.so; if LibTorch is of another "
          + "version than \(expectedVersion), run Scripts/setup", cause: cause)
    }
  }

  func check(_ status: bw_status) throws {
    guard status != 0 else { return }
    throw TensorError.operation(String(cString: api.pointee.last_error()))
  }

  /// Number of threads that LibTorch's operations use.
  public func threadCount() throws -> Int {
    var count: Int32 = 0
    try check(api.pointee.get_threads(&count))
    return Int(count)
  }

  /// Sets the number of threads that LibTorch's operations use.
  public func setThreadCount(_ count: Int) throws {
    precondition(count > 0, "the number of threads must be positive")
    try check(api.pointee.set_threads(Int32(clamping: count)))
  }

  /// Number of CUDA devices; loads LibTorch's CUDA library when it is there. 0 without one.
  public func cudaDeviceCount() throws -> Int { cudaDevices().count }

  /// The CUDA devices, and the loader's text where LibTorch's CUDA library could not be loaded: the name of
  /// what it misses.
  func cudaDevices() -> (count: Int, problem: String) {
    var count: Int32 = 0
    let path = libraryDirectory + "/torch/lib/libtorch_cuda.so"
    guard api.pointee.cuda_load(path, &count) == 0 else {
      return (0, String(cString: api.pointee.last_error()))
    }
    return (Int(count), "")
  }

  /// Whether this processor has tiles for bfloat16 (AMX).
  ///
  /// AVX-512 BF16 alone does not count: on a Xeon that has it and hides its tiles, a training step of
  /// ResNet-18 takes 1.5 times as long in bfloat16 as in float32 (Benchmarks/Notes.md).
  public func cpuHasFastBFloat16() throws -> Bool {
    var amx: Int32 = 0
    try check(api.pointee.cpu_features(&amx))
    return amx != 0
  }

  /// Waits for the work queued on `device`.
  public func synchronize(_ device: Device) throws {
    try check(api.pointee.synchronize(device.code))
  }
}
