import BulwarkTensor
import Foundation
import Testing

@testable import BulwarkStore

/// A fresh folder that goes away with its owner.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "bulwark-store-\(UInt64.random(in: 0 ... .max))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  var names: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
  }
}

/// The kind of the store error that `body` throws; nil when it throws none.
func kindOfError(_ body: () throws -> Void) throws -> StoreError.Kind? {
  do {
    try body()
    return nil
  } catch let error as StoreError {
    #expect(!error.summary.isEmpty && !error.remedy.isEmpty)
    return error.kind
  }
}

func read(_ path: String) throws -> [UInt8] {
  [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
}

func write(_ bytes: [UInt8], _ path: String) throws {
  try Data(bytes).write(to: URL(fileURLWithPath: path))
}

extension Tensor {
  var rawBytes: [UInt8] {
    get throws { try withUnsafeBytes { Array($0) } }
  }
}

func expectSame(
  _ one: StateDict, _ other: StateDict, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  #expect(one.names == other.names, sourceLocation: sourceLocation)
  for (a, b) in zip(one, other) {
    #expect(a.tensor.shape == b.tensor.shape, sourceLocation: sourceLocation)
    #expect(a.tensor.dtype == b.tensor.dtype, sourceLocation: sourceLocation)
    #expect(try a.tensor.rawBytes == b.tensor.rawBytes, sourceLocation: sourceLocation)
  }
}

/// One tensor of every element type, a scalar, an empty one, and names that need care.
func everyKindOfTensor() throws -> StateDict {
  let numbers = try Tensor((0..<24).map { Float($0) - 7.5 }, shape: [2, 3, 4])
  var result: StateDict = [
    "layer1.0.conv1.weight": numbers,
    "layer1.0.bn1.num_batches_tracked": try Tensor([Int64(1) << 40], shape: []),
    "empty": try Tensor([Float](), shape: [0, 3]),
    "name with / and % and ü": try Tensor([UInt8(1), 2, 3]),
    "transposed": try numbers.permute([2, 0, 1]),
  ]
  for dtype in DType.allCases { result["types.\(dtype.name)"] = try numbers.to(dtype) }
  return result
}

func smallCheckpoint() throws -> Checkpoint {
  Checkpoint(
    weights: try everyKindOfTensor(),
    architecture: ["name": "cnn", "width": 16],
    normalization: .init(mean: [0.5, 0.25, 0.125], std: [1, 2, 3]),
    classNames: ["zero", "eins", "två", ""],
    optimizer: .init(
      tensors: ["layer1.0.conv1.weight.momentum": try Tensor([Float(1), 2])],
      settings: ["name": "sgd", "lr": 0.1]),
    schedule: ["name": "cosine", "warmup": 5],
    progress: .init(
      stage: "mixmatch", epoch: 3, step: 77, seed: .max, key: RandomKey(seed: 5).step(3)),
    recipe: "method: dbd\nseed: 1\n",
    fingerprints: ["train": "ab12", "test": "cd34"],
    indexSets: ["poisoned": [3, 1, 4], "flagged": [], "pool/labeled": [9]],
    history: [
      MetricSeries(name: "loss", unit: "nats", steps: [0, 10], values: [2.5, .nan]),
      MetricSeries(name: "stage2/clean_accuracy", unit: "fraction"),
    ],
    states: ["ema": ["conv.weight": try Tensor([Float(3)])]],
    notes: ["remark": "für später"], codeVersion: "0.1.0")
}

/// A Python interpreter that has these modules, or nil: `$BULWARK_PYTHON`, else `python3`.
func python(with modules: [String]) -> String? {
  let interpreter = ProcessInfo.processInfo.environment["BULWARK_PYTHON"] ?? "python3"
  let code = modules.map { "import \($0)" }.joined(separator: ";")
  return (try? runPython(code, interpreter: interpreter)) != nil ? interpreter : nil
}

struct PythonFailure: Error { var output: String }

/// Runs Python code with arguments; returns what it printed.
@discardableResult
func runPython(_ code: String, _ arguments: [String] = [], interpreter: String) throws -> String {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = [interpreter, "-c", code] + arguments
  let output = Pipe()
  process.standardOutput = output
  process.standardError = output
  try process.run()
  let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
  process.waitUntilExit()
  guard process.terminationStatus == 0 else { throw PythonFailure(output: text) }
  return text
}
