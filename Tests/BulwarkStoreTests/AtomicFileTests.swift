import BulwarkTensor
import Foundation
import Testing

@testable import BulwarkStore

@Suite struct AtomicFileTests {
  @Test func nothingIsOverwrittenWithoutBeingTold() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("out.json")
    try AtomicFile.write(Data("one".utf8), to: path)
    #expect(
      try kindOfError { try AtomicFile.write(Data("two".utf8), to: path) } == .exists)
    #expect(try read(path) == Array("one".utf8))
    try AtomicFile.write(Data("two".utf8), to: path, overwrite: true)
    #expect(try read(path) == Array("two".utf8))
    #expect(try folder.names == ["out.json"])
  }

  @Test func aCheckpointIsNotOverwrittenWithoutBeingTold() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.h5")
    try Checkpoint(weights: ["w": Tensor([Float(1)])]).write(to: path)
    let second = Checkpoint(weights: ["w": try Tensor([Float(2)])])
    #expect(try kindOfError { try second.write(to: path) } == .exists)
    try second.write(to: path, overwrite: true)
    #expect(try Checkpoint(reading: path).weights["w"]?.floats() == [2])
    #expect(try folder.names == ["a.h5"])
  }

  @Test func aFailedWriteLeavesThePreviousFileAndNoLitter() throws {
    struct Stop: Error {}
    let folder = try TemporaryFolder()
    let path = folder.file("a")
    try AtomicFile.write(Data("old".utf8), to: path)
    #expect(throws: Stop.self) {
      try AtomicFile.replace(path, overwrite: true) { temporary in
        try write([1, 2, 3], temporary)
        throw Stop()
      }
    }
    #expect(try read(path) == Array("old".utf8) && folder.names == ["a"])
  }

  @Test func aMissingFolderIsSaid() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("none/a.h5")
    #expect(
      try kindOfError { try AtomicFile.write(Data(), to: path) } == .cannotCreate)
    #expect(
      try kindOfError { try Checkpoint(weights: [:]).write(to: path) } == .cannotCreate)
  }

  @Test func leftoversOfDeadWritersGoAndThoseOfLiveOnesStay() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a")
    let live = try AtomicFile.replace(path, overwrite: false) { temporary in
      try write([1], temporary)
      let dead = temporary.replacingOccurrences(of: "-\(getpid())-", with: "-4194301-")
      try write([2], dead)
      // A second writer of the same name, while the first is still at work.
      try AtomicFile.write(Data([3]), to: path)
      #expect(!FileManager.default.fileExists(atPath: dead))
      #expect(FileManager.default.fileExists(atPath: temporary))
      try FileManager.default.removeItem(atPath: path)
      return temporary
    }
    #expect(!FileManager.default.fileExists(atPath: live))
    #expect(try read(path) == [1] && folder.names == ["a"])
  }

  @Test func aWriteGoesThroughASymbolicLinkAndKeepsPermissions() throws {
    let folder = try TemporaryFolder()
    try AtomicFile.write(Data([1]), to: folder.file("real"))
    chmod(folder.file("real"), 0o600)
    try FileManager.default.createSymbolicLink(
      atPath: folder.file("link"), withDestinationPath: folder.file("real"))
    try AtomicFile.write(Data([2]), to: folder.file("link"), overwrite: true)
    #expect(try read(folder.file("real")) == [2])
    let attributes = try FileManager.default.attributesOfItem(atPath: folder.file("real"))
    #expect(attributes[.posixPermissions] as? Int == 0o600)
  }

  /// A child that is killed while it writes: the previous file is whole.
  @Test func aKilledWriterLeavesThePreviousCheckpoint() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.h5")
    try Checkpoint(weights: ["w": Tensor([Float(1)])]).write(to: path)
    // What a kill leaves: a part of a file under the temporary name.
    let whole = try read(path)
    for length in [0, 1, 512, whole.count - 1] {
      let prefix = try AtomicFile.replace(folder.file("probe"), overwrite: true) { temporary in
        try write([], temporary)
        return temporary
      }
      let leftover = prefix.replacingOccurrences(of: "probe", with: "a.h5")
        .replacingOccurrences(of: "-\(getpid())-", with: "-4194301-")
      try write(Array(whole[..<length]), leftover)
      #expect(try Checkpoint(reading: path).weights["w"]?.floats() == [1])
    }
    try Checkpoint(weights: ["w": Tensor([Float(2)])]).write(to: path, overwrite: true)
    #expect(try folder.names == ["a.h5", "probe"])
  }
}
