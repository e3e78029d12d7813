import BulwarkTensor
import CHDF5
import Foundation
import Testing

@testable import BulwarkStore

/// A file for every way in which one can be wrong, and the kind of error that it must cause.
@Suite struct ReaderSafetyTests {
  private func checkpoint(_ folder: TemporaryFolder) throws -> String {
    let path = folder.file("a.h5")
    try smallCheckpoint().write(to: path)
    return path
  }

  private func kind(_ path: String, policy: SealPolicy = .required) throws -> StoreError.Kind? {
    try kindOfError { _ = try Checkpoint(reading: path, policy: policy) }
  }

  @Test func aMissingFileAFolderAndAPipeAreSaid() throws {
    let folder = try TemporaryFolder()
    #expect(try kind(folder.file("none.h5")) == .missingFile)
    #expect(try kind(folder.path) == .foreignFile)
    mkfifo(folder.file("pipe"), 0o600)
    #expect(try kind(folder.file("pipe")) == .foreignFile)
  }

  @Test("A refused file is closed once: the second time could hit what another thread has opened")
  func closedOnce() throws {
    let folder = try TemporaryFolder()
    errno = 0
    let file = try? FileDescriptor(opening: folder.path, shownAs: "folder")
    let code = errno
    #expect(file == nil)
    #expect(code != EBADF)
  }

  @Test func foreignFilesAreSaid() throws {
    let folder = try TemporaryFolder()
    try write([], folder.file("empty"))
    try write(Array("not HDF5".utf8), folder.file("text"))
    try HDF5File.create(folder.file("plain.h5")).close()
    for name in ["empty", "text", "plain.h5"] {
      #expect(try kind(folder.file(name)) == .foreignFile)
    }
    let error = #expect(throws: StoreError.self) { try HDF5File.open(folder.file("text")) }
    #expect(error?.causes.contains { $0.hasPrefix("HDF5 H5Fopen") } == true)
  }

  @Test func aTruncatedFileIsSaid() throws {
    let folder = try TemporaryFolder()
    let path = try checkpoint(folder)
    let whole = try read(path)
    for length in [8, 200, 511, 512, 600, whole.count / 2, whole.count - 1] {
      try write(Array(whole[..<length]), folder.file("cut"))
      #expect(try kind(folder.file("cut")) == .truncated)
    }
    try write(whole + [0], folder.file("long"))
    #expect(try kind(folder.file("long")) == .brokenSeal)
  }

  @Test func aFutureMajorVersionIsSaidAndAFutureMinorOneIsRead() throws {
    let folder = try TemporaryFolder()
    let path = try checkpoint(folder)
    let whole = try read(path)
    var seal = try Seal(reading: Array(whole[..<512]), file: path)
    seal.major = 2
    try write(seal.bytes + whole[512...], path)
    #expect(try kind(path) == .futureVersion)
    seal.major = 1
    seal.minor = 7
    try write(seal.bytes + whole[512...], path)
    #expect(try kind(path) == nil)
  }

  @Test func linksAreRefused() throws {
    let folder = try TemporaryFolder()
    for variant in 0..<4 {
      let path = folder.file("links\(variant).h5")
      try sealed(path) { root in
        try root.write("w", text: "x")
        let group = try root.createGroup("g")
        switch variant {
        case 0: try addLink(to: root, "/w", soft: true)
        case 1: try addLink(to: group, "/etc/passwd", soft: false)
        case 2: try addHardLink(root, "w")
        default: try addHardLink(root, "g", below: group)
        }
      }
      #expect(try kind(path, policy: .edited) == .refusedLink, "variant \(variant)")
    }
  }

  @Test func externalVirtualAndFilteredStorageAreRefused() throws {
    let folder = try TemporaryFolder()
    for storage in [RawStorage.external, .virtual, .filtered] {
      let path = folder.file("\(storage).h5")
      try sealed(path) { try addDataset(to: $0, storage) }
      #expect(try kind(path, policy: .edited) == .refusedStorage, "\(storage)")
    }
  }

  @Test func aShapeBombIsRefusedBeforeMemoryIsAskedFor() throws {
    let folder = try TemporaryFolder()
    for storage in [RawStorage.lateBomb, .chunkedBomb, .overflow] {
      let path = folder.file("\(storage).h5")
      try sealed(path) { try addDataset(to: $0, storage) }
      #expect(try kind(path, policy: .edited) == .oversized, "\(storage)")
    }
  }

  @Test("A list in a plain file is read by the same checks, and nil where there is none")
  func lists() throws {
    let folder = try TemporaryFolder()
    func integers(_ name: String, of names: [String], _ fill: (HDF5Group) throws -> Void) throws
      -> [Int]?
    {
      let path = folder.file(name)
      let file = try HDF5File.create(path)
      try fill(file.root)
      try file.close()
      return try HDF5File.integers(in: path, firstOf: names)
    }
    func put(_ values: [Int64], _ name: String, in root: HDF5Group) throws {
      try values.withUnsafeBytes {
        _ = try root.write(name, number: .int64, shape: [values.count], bytes: $0)
      }
    }
    let found = try integers("plain.h5", of: ["first", "second"]) {
      try put([3, -1], "second", in: $0)
      try put([5], "third", in: $0)
      try put([], "empty", in: $0)
    }
    #expect(found == [3, -1])
    #expect(try HDF5File.integers(in: folder.file("plain.h5"), firstOf: ["empty"]) == [])
    #expect(try HDF5File.integers(in: folder.file("plain.h5"), firstOf: ["none"]) == nil)

    for storage in [RawStorage.lateBomb, .chunkedBomb, .overflow, .external, .virtual, .filtered] {
      let kind = try kindOfError {
        _ = try integers("\(storage).h5", of: ["bomb"]) { try addDataset(to: $0, storage) }
      }
      let isBomb = [RawStorage.lateBomb, .chunkedBomb, .overflow].contains(storage)
      let expected: StoreError.Kind = isBomb ? .oversized : .refusedStorage
      #expect(kind == expected, "\(storage)")
    }
    for soft in [true, false] {
      let kind = try kindOfError {
        _ = try integers("link-\(soft).h5", of: ["link"]) {
          try put([1], "x", in: $0)
          try addLink(to: $0, soft ? "/x" : folder.file("plain.h5"), soft: soft)
        }
      }
      #expect(kind == .refusedLink)
    }
    let text = try kindOfError {
      _ = try integers("text.h5", of: ["x"]) { _ = try $0.write("x", text: "3, 1") }
    }
    #expect(text == .unexpectedType)
    #expect(
      try kindOfError { _ = try HDF5File.integers(in: folder.path, firstOf: []) } == .foreignFile)
  }

  /// What arrives when the child that parses the file dies in the middle.
  @Test func aReportThatBreaksOffMeansAHostileFile() throws {
    let folder = try TemporaryFolder()
    try write([1], folder.file("any"))
    let file = try FileDescriptor(opening: folder.file("any"), shownAs: "any")
    for bytes: [UInt8] in [
      [], [1, 0, 0], [1, 0, 0, 0, 2, 0, 0, 0, 0x2F, 0x61], [8, 0, 0, 0, 255, 255, 255, 255],
    ] {
      var report = HDF5Survey.Report(bytes: bytes, file: file)
      #expect(try kindOfError { _ = try report.next() } == .hostileFile)
    }
    var whole = HDF5Survey.Report(bytes: [8, 0, 0, 0, 0, 0, 0, 0], file: file)
    let end = try whole.next()
    #expect(end == nil)
  }

  @Test func aChangedDataSetIsNamed() throws {
    let folder = try TemporaryFolder()
    let path = try checkpoint(folder)
    var bytes = try read(path)
    let weight = try smallCheckpoint().weights["types.float64"]
    let pattern = try #require(try weight?.rawBytes)
    let place = try #require(
      (0..<bytes.count - pattern.count).first { Array(bytes[$0..<$0 + pattern.count]) == pattern })
    bytes[place + 5] ^= 1
    try write(bytes, path)
    let error = #expect(throws: StoreError.self) { try Checkpoint(reading: path) }
    #expect(error?.kind == .brokenSeal && error?.item == "seal")
    let report = try Verification.of(path)
    #expect(!report.isIntact)
    // Compact data sets lie in checksummed headers, which HDF5 itself then refuses to read.
    let edited = try? Checkpoint.changes(at: path)
    #expect(edited?.isEmpty != true)
  }

  @Test func missingAndMistypedContentIsNamed() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.h5")
    try sealed(path) { root in
      try root.write("progress", text: "no JSON")
    }
    #expect(try kind(path, policy: .edited) == .invalidContent)
    try sealed(folder.file("b.h5")) { root in
      try root.createGroup("model").write("w", text: "text where a tensor belongs")
    }
    #expect(try kind(folder.file("b.h5"), policy: .edited) == .unexpectedType)
    #expect(try kind(folder.file("b.h5")) == .digestMismatch)
    try sealed(folder.file("c.h5")) { root in
      try root.createGroup("input").write(
        "mean", number: .float64, shape: [0], bytes: .init(start: nil, count: 0))
    }
    #expect(try kind(folder.file("c.h5"), policy: .edited) == .missingDataset)
  }

  /// Makes a file with a right seal around any HDF5 content, as an attacker could.
  private func sealed(_ path: String, _ body: (HDF5Group) throws -> Void) throws {
    try? FileManager.default.removeItem(atPath: path)
    let file = try HDF5File.create(path, userBlock: 512)
    try file.root.setAttribute("format", Checkpoint.format)
    try body(file.root)
    try file.close()
    try reseal(path)
  }
}

/// Puts a right seal on whatever the file holds.
func reseal(_ path: String) throws {
  let file = try FileDescriptor(opening: path, shownAs: path, writing: true)
  let length = try file.size()
  let seal = Seal(
    kind: Checkpoint.kind, length: length,
    digest: try Seal.digestPayload(of: file, length: length))
  try seal.bytes.withUnsafeBytes { try file.write($0, at: 0) }
}
