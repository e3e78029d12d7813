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

  /// The same with HDF5's own checksums mended, so that the damage reaches the parser's depths.
  @Test func damageUnderRightChecksumsIsReadOrRefusedButNeverCrashes() throws {
    let folder = try TemporaryFolder()
    let original = try original(folder)
    let headers = objectHeaders(original)
    #expect(headers.count > 20)
    for header in headers {
      let stored = (0..<4).reduce(UInt32(0)) {
        $0 | UInt32(original[header.upperBound + $1]) << UInt32(8 * $1)
      }
      #expect(lookup3(original[header]) == stored)
    }
    let path = folder.file("hostile.h5")
    var random = RandomKey(seed: FuzzTests.seed).generator()
    var kinds: [StoreError.Kind: Int] = [:]
    for _ in 0..<FuzzTests.rounds {
      var bytes = original
      for _ in 0..<Int.random(in: 1...2, using: &random) {
        let header = headers[Int.random(in: headers.indices, using: &random)]
        for _ in 0..<Int.random(in: 1...3, using: &random) {
          bytes[Int.random(in: header.lowerBound + 4..<header.upperBound, using: &random)] =
            .random(in: 0...255, using: &random)
        }
        let sum = lookup3(bytes[header])
        for byte in 0..<4 { bytes[header.upperBound + byte] = UInt8(sum >> (8 * byte) & 255) }
      }
      try write(bytes, path)
      try reseal(path)
      let policy: SealPolicy = Bool.random(using: &random) ? .required : .edited
      if let kind = try kindOfError({ _ = try Checkpoint(reading: path, policy: policy) }) {
        kinds[kind, default: 0] += 1
      }
    }
    #expect(kinds.count > 2 && kinds.values.reduce(0, +) > FuzzTests.rounds / 5, "\(kinds)")
    if FuzzTests.rounds > 1000 { print(kinds) }
  }

  /// More rounds on request: BULWARK_FUZZ_ROUNDS and BULWARK_FUZZ_SEED.
  private static let rounds = number("BULWARK_FUZZ_ROUNDS") ?? 150
  private static let seed = UInt64(number("BULWARK_FUZZ_SEED") ?? 14)

  private static func number(_ name: String) -> Int? {
    ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
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
