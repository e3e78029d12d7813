import BulwarkData
import BulwarkTensor
import Foundation

@testable import BulwarkPoisoning

/// A small data set whose pixels and labels follow from the seed; labels run 0, 1, ..., 0, 1, ...
func makeDataset(
  count: Int = 60, channels: Int = 3, side: Int = 32, classes: Int = 5, seed: UInt64 = 7
) throws -> ImageDataset {
  let pixels = try RandomKey(seed: seed).integers([count, channels, side, side], below: 256)
  return try ImageDataset(
    images: pixels.to(.uint8), labels: (0..<count).map { $0 % classes },
    classNames: (0..<classes).map { "class\($0)" }, sources: (0..<count).map { "f\($0).png" })
}

/// Images of one gray level.
func flat(_ value: Int, channels: Int = 3, side: Int = 32, count: Int = 1) throws -> Tensor {
  try Tensor.full([count, channels, side, side], Double(value), dtype: .uint8)
}

/// Positions of the rows that differ in at least one byte.
func changedRows(_ a: Tensor, _ b: Tensor) throws -> [Int] {
  let left = try a.bytes()
  let right = try b.bytes()
  let row = a.shape.dropFirst().reduce(1, *)
  return (0..<a.shape[0]).filter {
    left[$0 * row..<($0 + 1) * row] != right[$0 * row..<($0 + 1) * row]
  }
}

/// The largest difference of two 8-bit tensors, in gray levels.
func largestDifference(_ a: Tensor, _ b: Tensor) throws -> Int {
  Int(try (a.to(.float32) - b.to(.float32)).abs().max().item())
}

/// The byte at (row, column) of one channel of the first image.
func pixel(_ images: Tensor, _ channel: Int, _ row: Int, _ column: Int) throws -> Int {
  let shape = images.shape
  return Int(try images.bytes()[(channel * shape[2] + row) * shape[3] + column])
}

/// Holds what the tests of this process write; removed when the process ends.
private let temporaryRoot: String = {
  atexit { try? FileManager.default.removeItem(atPath: temporaryRoot) }
  return NSTemporaryDirectory() + "bulwark-poisoning-" + UUID().uuidString
}()

/// A path in a folder of its own that lasts as long as the process.
func temporaryPath(_ name: String) throws -> String {
  let folder = temporaryRoot + "/" + UUID().uuidString
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  return folder + "/" + name
}

/// A fixed linear classifier: logits = flatten(x) · W, W standard normal.
func linearClassifier(inputs: Int, classes: Int, seed: UInt64 = 3) throws -> Classifier {
  let weights = try RandomKey(seed: seed).normal([inputs, classes])
  return { images in try images.reshape([images.shape[0], inputs]).matmul(weights) }
}
