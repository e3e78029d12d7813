import BulwarkNN
import BulwarkStore
import BulwarkTensor
import Foundation

/// A checkpoint of a ResNet-18, written and read back.
struct CheckpointSpeed {
  let width: Int
  let folder: String
  let rounds: Int

  init(_ settings: Settings) throws {
    width = try settings.number("width", 64)
    rounds = try settings.number("rounds", 5)
    folder = settings.text("folder", NSTemporaryDirectory())
    _ = try settings.begin(threads: 2)
  }

  func run() throws {
    let model = try Architecture(.resNet18, width: width, classes: 10).build(
      key: RandomKey(seed: 1))
    let weights = StateDict(try model.state.snapshot().map { ($0.name, $0.tensor) })
    let path = "\(folder)/bulwark-bench-\(getpid()).h5"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let megabytes = Double(weights.byteCount) / 1e6
    var (writing, reading): ([Double], [Double]) = ([], [])
    for _ in 0..<rounds {
      writing.append(
        try Settings.seconds { try Checkpoint(weights: weights).write(to: path, overwrite: true) })
      reading.append(try Settings.seconds { _ = try Checkpoint(reading: path) })
    }
    let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
    Settings.print([
      ("megabytes", megabytes), ("write_mb_per_second", megabytes / Settings.median(writing)),
      ("read_mb_per_second", megabytes / Settings.median(reading)),
      ("raw_write_mb_per_second", megabytes / Settings.median(try rawWrites(weights, path))),
      ("overhead_percent", 100 * (Double(size) / Double(weights.byteCount) - 1)),
    ])
  }

  /// The same bytes written and flushed as a plain file: what the disk allows.
  private func rawWrites(_ weights: StateDict, _ path: String) throws -> [Double] {
    let bytes = Data(count: weights.byteCount)
    return try (0..<rounds).map { _ in
      try Settings.seconds {
        try Data().write(to: URL(fileURLWithPath: path + ".raw"))
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path + ".raw"))
        try file.write(contentsOf: bytes)
        try file.synchronize()
        try file.close()
        try FileManager.default.removeItem(atPath: path + ".raw")
      }
    }
  }
}
