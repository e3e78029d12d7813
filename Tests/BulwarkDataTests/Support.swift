import Foundation
import Testing

@testable import BulwarkData
@testable import BulwarkTensor

/// A folder that disappears with the test. Its name has spaces on purpose.
final class Scratch {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/bulwark data \(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func folder(_ name: String) throws -> String {
    let folder = path + "/" + name
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    return folder
  }

  @discardableResult
  func write(_ bytes: [UInt8], _ name: String) throws -> String {
    let file = path + "/" + name
    _ = try folder((name as NSString).deletingLastPathComponent)
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  /// A file that claims `size` bytes and holds `start`; the rest costs no disk.
  func writeSparse(_ start: [UInt8], size: Int, _ name: String) throws -> String {
    let file = try write(start, name)
    let handle = try #require(FileHandle(forWritingAtPath: file))
    try handle.truncate(atOffset: UInt64(size))
    try handle.close()
    return file
  }

  func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: path + "/" + name, withDestinationPath: target)
  }
}

/// A picture whose values depend on the position, the channel and `seed`.
func picture(_ width: Int = 8, _ height: Int = 8, channels: Int = 3, seed: Int = 0) -> RasterImage {
  var pixels: [UInt8] = []
  for y in 0..<height {
    for x in 0..<width {
      for c in 0..<channels {
        pixels.append(UInt8((x * 9 + y * 5 + c * 60 + seed * 31) % 256))
      }
    }
  }
  return RasterImage(width: width, height: height, channels: channels, pixels: pixels)
}

/// An image folder of two classes with `count` PNG files each, below `root`.
func makeClasses(_ scratch: Scratch, _ root: String, count: Int = 3, size: Int = 8) throws {
  for (label, name) in ["black cat", "dog"].enumerated() {
    for index in 0..<count {
      let image = picture(size, size, seed: 10 * label + index)
      try scratch.write(ImageCodec.encodePNG(image), "\(root)\(name)/\(index).png")
    }
  }
}

/// The error that `body` throws.
func dataError(_ body: () throws -> Void) -> DataError? {
  do {
    try body()
    return nil
  } catch { return error as? DataError }
}

/// Reads a fixture of this test target.
func fixture<Value: Decodable>(_ name: String, as type: Value.Type) throws -> Value {
  let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  return try JSONDecoder().decode(
    type, from: Data(contentsOf: folder.appendingPathComponent("Fixtures/\(name).json")))
}

/// The largest difference of two tensors' elements.
func largestDifference(_ first: Tensor, _ second: Tensor) throws -> Double {
  try (first.to(.float64) - second.to(.float64)).abs().max().item()
}
