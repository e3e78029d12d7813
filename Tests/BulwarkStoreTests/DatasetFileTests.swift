import BulwarkTensor
import Testing

@testable import BulwarkStore

@Suite struct DatasetFileTests {
  private func dataset() throws -> DatasetFile {
    DatasetFile(
      images: try Tensor((0..<96).map { UInt8($0) }, shape: [2, 3, 4, 4]), labels: [1, 0],
      classNames: ["cat", "dog"], indexSets: ["poisoned": [1]],
      provenance: ["attack": "badnets", "rate": 0.5], sources: ["a/1.png", "b/ü.png"])
  }

  @Test func everythingComesBackAsItWasWritten() throws {
    let folder = try TemporaryFolder()
    let written = try dataset()
    try written.write(to: folder.file("d.h5"))
    #expect(DatasetFile.isOne(folder.file("d.h5")))
    let found = try DatasetFile(reading: folder.file("d.h5"))
    #expect(try found.images.rawBytes == written.images.rawBytes)
    #expect(found.images.shape == [2, 3, 4, 4] && found.labels == [1, 0])
    #expect(found.classNames == written.classNames && found.indexSets == written.indexSets)
    #expect(found.provenance == written.provenance && found.sources == written.sources)
    #expect(try Verification.of(folder.file("d.h5")).isIntact)
  }

  @Test func aDataSetIsNoCheckpointAndTheReverse() throws {
    let folder = try TemporaryFolder()
    try dataset().write(to: folder.file("d.h5"))
    try Checkpoint(weights: [:]).write(to: folder.file("c.h5"))
    #expect(try kindOfError { _ = try Checkpoint(reading: folder.file("d.h5")) } == .wrongKind)
    #expect(try kindOfError { _ = try DatasetFile(reading: folder.file("c.h5")) } == .wrongKind)
    #expect(!DatasetFile.isOne(folder.file("c.h5")) && !DatasetFile.isOne(folder.path))
  }

  @Test func partsThatDoNotFitAreRefusedBeforeAnythingIsWritten() throws {
    let folder = try TemporaryFolder()
    var few = try dataset()
    few.labels = [0]
    var outside = try dataset()
    outside.labels = [0, 2]
    var index = try dataset()
    index.indexSets = ["poisoned": [2]]
    var floats = try dataset()
    floats.images = try floats.images.to(.float32)
    for wrong in [few, outside, index, floats] {
      #expect(try kindOfError { try wrong.write(to: folder.file("d.h5")) } == .invalidContent)
    }
    #expect(try folder.names.isEmpty)
  }
}
