import BulwarkTensor
import Foundation
import Testing

@testable import BulwarkStore

@Suite struct CheckpointTests {
  @Test func everythingComesBackAsItWasWritten() throws {
    let folder = try TemporaryFolder()
    let written = try smallCheckpoint()
    try written.write(to: folder.file("a.h5"))
    let found = try Checkpoint(reading: folder.file("a.h5"))
    try expectSame(found.weights, written.weights)
    try expectSame(found.optimizer?.tensors ?? [:], written.optimizer?.tensors ?? [:])
    #expect(found.optimizer?.settings == written.optimizer?.settings)
    try expectSame(found.states["ema"] ?? [:], written.states["ema"] ?? [:])
    #expect(found.architecture == written.architecture)
    #expect(found.normalization == written.normalization)
    #expect(found.classNames == written.classNames)
    #expect(found.schedule == written.schedule)
    #expect(found.progress == written.progress)
    #expect(found.recipe == written.recipe)
    #expect(found.fingerprints == written.fingerprints)
    #expect(found.indexSets == written.indexSets)
    #expect(try Checkpoint.indexSets(of: folder.file("a.h5")) == written.indexSets)
    #expect(found.history.map(\.name) == written.history.map(\.name))
    #expect(found.history.map(\.unit) == ["nats", "fraction"])
    #expect(found.history[0].steps == [0, 10] && found.history[0].values[1].isNaN)
    #expect(found.notes == written.notes)
    #expect(found.codeVersion == "0.1.0")
  }

  @Test func aCheckpointOfWeightsAloneComesBack() throws {
    let folder = try TemporaryFolder()
    try Checkpoint(weights: [:]).write(to: folder.file("none.h5"))
    #expect(try Checkpoint(reading: folder.file("none.h5")).weights.isEmpty)
    try Checkpoint(weights: ["w": Tensor([Float(1)])]).write(to: folder.file("one.h5"))
    let found = try Checkpoint(reading: folder.file("one.h5"))
    #expect(found.weights.names == ["w"] && found.optimizer == nil && found.recipe == nil)
  }

  @Test func equalContentGivesEqualBytes() throws {
    let folder = try TemporaryFolder()
    try smallCheckpoint().write(to: folder.file("a.h5"))
    try smallCheckpoint().write(to: folder.file("b.h5"))
    #expect(try read(folder.file("a.h5")) == read(folder.file("b.h5")))
  }

  @Test func namesThatCannotShareAFileAreRefused() throws {
    let folder = try TemporaryFolder()
    let one = try Tensor([Float(1)])
    let clash = Checkpoint(weights: ["a": one, "a.b": one])
    #expect(try kindOfError { try clash.write(to: folder.file("a.h5")) } == .invalidName)
    let reversed = Checkpoint(weights: ["a.b": one, "a": one])
    #expect(try kindOfError { try reversed.write(to: folder.file("a.h5")) } == .invalidName)
    #expect(try folder.names.isEmpty)
  }

  @Test(arguments: ["", ".", "..", "a..b", "a.", "%", "%2F", "/", "a/b.c", "é.\n", "\0"])
  func everyTensorNameSurvives(name: String) throws {
    let folder = try TemporaryFolder()
    let written = Checkpoint(weights: [name: try Tensor([Float(1), 2])])
    try written.write(to: folder.file("a.h5"))
    try expectSame(try Checkpoint(reading: folder.file("a.h5")).weights, written.weights)
  }

  @Test func inspectionTellsWhatIsInsideWithoutTensors() throws {
    let folder = try TemporaryFolder()
    let written = try smallCheckpoint()
    try written.write(to: folder.file("a.h5"))
    let summary = try Checkpoint.inspectSummary(folder.file("a.h5"))
    #expect(summary.isSealed && summary.formatVersion == "1.0")
    #expect(summary.parameterCount == written.weights.elementCount)
    #expect(summary.weights.map(\.name) == written.weights.names)
    #expect(summary.weights.map(\.dtype) == written.weights.map(\.tensor.dtype.name))
    #expect(summary.indexSets == ["poisoned": 3, "flagged": 0, "pool/labeled": 1])
    #expect(summary.history.map(\.count) == [2, 0] && summary.history[0].lastStep == 10)
    #expect(summary.progress.step == 77)
    #expect(summary.optimizerTensors == 1 && summary.states == ["ema": 1])
    #expect(summary.recipeDigest == SHA256Digest(of: "method: dbd\nseed: 1\n").description)
  }

  @Test func weightsOfAnotherArchitectureAreListedByName() throws {
    let weights: StateDict = [
      "conv.weight": try Tensor([Float](repeating: 0, count: 4), shape: [2, 2]),
      "fc.weight": try Tensor([Float(0)]), "old.bias": try Tensor([Float(0)]),
    ]
    let expected = [
      (name: "conv.weight", shape: [2, 3], dtype: DType.float32),
      (name: "fc.weight", shape: [1], dtype: DType.float64),
      (name: "new.bias", shape: [1], dtype: DType.float32),
    ]
    let error = #expect(throws: StoreError.self) {
      try weights.checkCompatible(expected: expected, file: "x.h5")
    }
    #expect(error?.kind == .incompatibleWeights)
    #expect(
      error?.causes == [
        "missing (1): new.bias", "unexpected (1): old.bias",
        "other shape (1): conv.weight: expected [2, 3], found [2, 2]",
        "other type (1): fc.weight: expected float64, found float32",
      ])
    try weights.checkCompatible(
      expected: weights.map { .init(name: $0.name, shape: $0.tensor.shape) }, file: "x.h5")
  }

  @Test func theOverheadOfAResNet18IsBelowTwoPercent() throws {
    let folder = try TemporaryFolder()
    var weights = StateDict()
    for block in 0..<20 {
      weights["layer.\(block).conv.weight"] = try .zeros([256, 128, 3, 3])
      for name in ["weight", "bias", "running_mean", "running_var"] {
        weights["layer.\(block).bn.\(name)"] = try .zeros([256])
      }
      weights["layer.\(block).bn.num_batches_tracked"] = try Tensor([1], shape: [])
    }
    try Checkpoint(weights: weights, recipe: "a: 1").write(to: folder.file("a.h5"))
    let size = try read(folder.file("a.h5")).count
    #expect(Double(size) < 1.02 * Double(weights.byteCount))
  }
}
