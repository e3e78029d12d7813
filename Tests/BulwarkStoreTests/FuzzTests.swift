import BulwarkTensor
import Foundation
import Testing

@testable import BulwarkStore

/// Random damage: the reader throws, it never crashes, and a changed file never verifies.
@Suite struct FuzzTests {
  private func original(_ folder: TemporaryFolder) throws -> [UInt8] {
    try smallCheckpoint().write(to: folder.file("original.h5"))
    return try read(folder.file("original.h5"))
  }

  @Test func flippedBitsAndCutsAreAlwaysFound() throws {
    let folder = try TemporaryFolder()
    let original = try original(folder)
    var random = RandomKey(seed: 11).generator()
    for _ in 0..<200 {
      var bytes = original
      if Bool.random(using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] ^=
          1
          << UInt8.random(
            in: 0..<8, using: &random)
      } else {
        bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
      }
      try write(bytes, folder.file("damaged.h5"))
      #expect(try kindOfError { _ = try Checkpoint(reading: folder.file("damaged.h5")) } != nil)
      #expect(try !Verification.of(folder.file("damaged.h5")).isIntact)
    }
  }

  /// Damage that the seal does not show, as in a file made to attack: the parser is on its own.
  @Test func damageUnderARightSealIsReadOrRefusedButNeverCrashes() throws {
    let folder = try TemporaryFolder()
    let original = try original(folder)
    let path = folder.file("hostile.h5")
    var random = RandomKey(seed: 12).generator()
    var refused = 0
    for _ in 0..<150 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: 512..<bytes.count, using: &random)] = .random(
          in: 0...255, using: &random)
      }
      try write(bytes, path)
      try reseal(path)
      if try kindOfError({ _ = try Checkpoint(reading: path) }) != nil { refused += 1 }
    }
    #expect(refused > 75)
  }

  @Test func damagedSafetensorsAndPyTorchFilesAreReadOrRefusedButNeverCrash() throws {
    let folder = try TemporaryFolder()
    let tensors = try everyKindOfTensor()
    try Safetensors.write(tensors, to: folder.file("a.safetensors"))
    try PyTorchFile.write(tensors, to: folder.file("a.pt"))
    var random = RandomKey(seed: 13).generator()
    for name in ["a.safetensors", "a.pt"] {
      let original = try read(folder.file(name))
      let path = folder.file("damaged")
      for _ in 0..<300 {
        var bytes = original
        for _ in 0..<Int.random(in: 1...3, using: &random) {
          bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(
            in: 0...255, using: &random)
        }
        if Int.random(in: 0..<4, using: &random) == 0 {
          bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random))
        }
        try write(bytes, path)
        _ = try kindOfError {
          if name == "a.pt" {
            _ = try PyTorchFile.read(path)
          } else {
            _ = try Safetensors.read(path)
          }
        }
      }
    }
  }
}
