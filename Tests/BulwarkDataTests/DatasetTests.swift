import Foundation
import Testing

@testable import BulwarkData
@testable import BulwarkTensor

@Suite("Data sets in memory")
struct DatasetTests {
  @Test("The digits are the 1,797 of scikit-learn, split 1,437 to 360 with every class in both")
  func digits() throws {
    let bundle = try DataSource.load("digits")
    let test = try #require(bundle.test)
    #expect(bundle.kind == .digits)
    #expect(bundle.train.images.shape == [1437, 1, 16, 16])
    #expect(test.count == 360)
    #expect(bundle.train.classNames == (0...9).map(String.init))
    let counts = zip(bundle.train.countsPerClass, test.countsPerClass).map { $0 + $1 }
    #expect(counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    #expect(test.countsPerClass.allSatisfy { (34...37).contains($0) })
    // scikit-learn: load_digits().images.sum() == 561718; the last labels are 8, 9, 8.
    let (images, labels) = DigitsLoader.parse()
    #expect(labels.suffix(3) == [8, 9, 8])
    let sum = images.flatMap(\.pixels).map { Int((Double($0) * 16 / 255).rounded()) }.reduce(0, +)
    #expect(sum == 561_718)
  }

  @Test("The digits come in 32 x 32 with three channels when asked")
  func largeDigits() throws {
    let bundle = try DataSource.load(
      "digits", options: DataOptions(limit: 20, imageSize: 32, channels: 3))
    #expect(bundle.train.images.shape == [20, 3, 32, 32])
    #expect(bundle.train.countsPerClass == [Int](repeating: 2, count: 10))
  }

  @Test("A limit keeps classes balanced, and a smaller one is part of a larger one")
  func limit() {
    let labels = (0..<1000).map { $0 % 3 == 0 ? 0 : 1 } + [2]
    let small = SampleSelection.balanced(labels: labels, classCount: 3, limit: 21)
    let large = SampleSelection.balanced(labels: labels, classCount: 3, limit: 101)
    func counts(_ indices: [Int]) -> [Int] {
      (0..<3).map { label in indices.filter { labels[$0] == label }.count }
    }
    #expect(counts(small) == [10, 10, 1])
    #expect(counts(large) == [50, 50, 1])
    #expect(Set(small).isSubset(of: large))
    #expect(small == small.sorted())
    #expect(small != Array(0..<21))
  }

  @Test("A split has the asked share, no sample twice and none lost")
  func split() {
    let labels = (0..<97).map { $0 % 4 }
    let halves = SampleSelection.split(labels: labels, classCount: 4, testFraction: 0.2)
    #expect(halves.test.count == 20)
    #expect((halves.train + halves.test).sorted() == Array(0..<97))
  }

  @Test("The fingerprint changes with every part and only then")
  func fingerprint() throws {
    let images = try Tensor((0..<24).map { UInt8($0) }, shape: [2, 3, 2, 2])
    let base = try ImageDataset(images: images, labels: [0, 1], classNames: ["a", "b"])
    let same = try ImageDataset(
      images: images.clone(), labels: [0, 1], classNames: ["a", "b"], sources: ["x", "y"])
    #expect(try base.fingerprint == same.fingerprint)
    #expect(try base.fingerprint.count == 64)
    let other = try Tensor((1..<25).map { UInt8($0) }, shape: [2, 3, 2, 2])
    let prints = Set([
      try base.fingerprint, try base.relabeled([1, 0]).fingerprint,
      try base.replacingImages(other).fingerprint,
      try base.replacingImages(images.reshape([2, 1, 3, 4])).fingerprint,
      try ImageDataset(images: images, labels: [0, 1], classNames: ["ab", ""]).fingerprint,
    ])
    #expect(prints.count == 5)
  }

  @Test("A data set refuses labels, counts and shapes that do not fit")
  func validation() throws {
    let images = try Tensor.zeros([2, 3, 2, 2], dtype: .uint8)
    #expect(
      dataError { _ = try ImageDataset(images: images, labels: [0, 2], classNames: ["a", "b"]) }
        == .labelOutOfRange(path: "data set", index: 1, label: 2, classCount: 2))
    for labels in [[0], [0, 1, 1]] {
      guard
        case .inconsistent = dataError({
          _ = try ImageDataset(images: images, labels: labels, classNames: ["a", "b"])
        })
      else {
        Issue.record("\(labels) were not refused")
        return
      }
    }
    let floats = try Tensor.zeros([2, 3, 2, 2])
    guard
      case .inconsistent = dataError({
        _ = try ImageDataset(images: floats, labels: [0, 0], classNames: ["a"])
      })
    else {
      Issue.record("float images were not refused")
      return
    }
  }

  @Test("A batch holds the asked samples in the asked order: [B, C, H, W] uint8 and [B] int64")
  func batch() throws {
    let images = try Tensor((0..<36).map { UInt8($0) }, shape: [3, 3, 2, 2])
    let dataset = try ImageDataset(images: images, labels: [2, 0, 1], classNames: ["a", "b", "c"])
    let batch = try dataset.batch([2, 0])
    #expect(batch.images.shape == [2, 3, 2, 2] && batch.images.dtype == .uint8)
    #expect(batch.labels.dtype == .int64)
    #expect(try batch.labels.integers() == [1, 2])
    #expect(try batch.images.bytes() == Array(24..<36) + Array(0..<12))
    #expect(throws: (any Error).self) { try dataset.batch([3]) }
  }

  @Test("Every epoch visits every sample once, in its own order, and any step can be asked for")
  func sampler() throws {
    let sampler = EpochSampler(count: 10, batchSize: 4, key: RandomKey(seed: 7))
    #expect(sampler.stepsPerEpoch == 3)
    let first = try sampler.batches(epoch: 0)
    #expect(first.map(\.count) == [4, 4, 2])
    #expect(first.flatMap { $0 }.sorted() == Array(0..<10))
    #expect(try sampler.batches(epoch: 1) != first)
    #expect(try sampler.indices(epoch: 1, step: 2) == sampler.batches(epoch: 1)[2])
    let dropping = EpochSampler(
      count: 10, batchSize: 4, key: RandomKey(seed: 7), dropLast: true)
    #expect(try dropping.batches(epoch: 0) == Array(first.prefix(2)))
  }

  @Test("A bundle written as HDF5 comes back the same, with its index sets")
  func stored() throws {
    let scratch = try Scratch()
    let bundle = try DataSource.load("digits", options: DataOptions(limit: 40, testLimit: 20))
    let marked = try DataBundle(
      train: bundle.train, test: bundle.test, kind: .digits, path: "digits",
      indexSets: ["poisoned": [3, 17]])
    let path = scratch.path + "/my digits.h5"
    try marked.write(to: path)
    #expect(try DataSource.detect(path) == .hdf5)
    let back = try DataSource.load(path)
    #expect(try back.train.fingerprint == bundle.train.fingerprint)
    #expect(try back.test?.fingerprint == bundle.test?.fingerprint)
    #expect(back.indexSets == ["poisoned": [3, 17]])
    #expect(throws: (any Error).self) { try marked.write(to: path) }
    // A limit keeps the index sets pointing at the same pictures.
    let limited = try DataSource.load(path, options: DataOptions(limit: 30))
    for place in limited.indexSets["poisoned"] ?? [] {
      let image = try limited.train.raster(place)
      #expect(try [3, 17].map { try bundle.train.raster($0) }.contains(image))
    }
  }

  @Test("An HDF5 file of more than 4 GiB is known by its start; more than that is not read at once")
  func largeFile() throws {
    let scratch = try Scratch()
    let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]
    let path = try scratch.writeSparse(signature, size: 5 << 30, "large.h5")
    #expect(try DataSource.detect(path) == .hdf5)
    #expect(try FileBytes.read(path, limit: 9) == signature + [0])
    guard case .unreadable(path, _) = dataError({ _ = try FileBytes.read(path) }) else {
      Issue.record("5 GiB were not refused")
      return
    }
  }

  @Test("Channel statistics are those of the pixels")
  func statistics() throws {
    let images = try Tensor([UInt8]([0, 255, 0, 255]), shape: [2, 1, 1, 2])
    let dataset = try ImageDataset(images: images, labels: [0, 0], classNames: ["a"])
    let (mean, deviation) = try dataset.channelStatistics()
    #expect(abs(mean[0] - 0.5) < 1e-6 && abs(deviation[0] - 0.5) < 1e-6)
  }

  @Test("Impossible options name themselves")
  func options() {
    for options in [
      DataOptions(limit: 0), DataOptions(imageSize: 0), DataOptions(channels: 2),
      DataOptions(testFraction: 1), DataOptions(threads: 0),
    ] {
      guard case .invalidOption = dataError({ _ = try DataSource.load("digits", options: options) })
      else {
        Issue.record("\(options) was accepted")
        return
      }
    }
  }

  @Test("A picture sheet shows every image enlarged without smoothing")
  func sheet() throws {
    let scratch = try Scratch()
    let clean = try Tensor([UInt8]([0, 255]), shape: [1, 1, 2])
    let changed = try Tensor([UInt8]([10, 255]), shape: [1, 1, 2])
    let path = scratch.path + "/sheet.png"
    try PictureSheet.write(
      rows: [[clean, changed, PictureSheet.difference(clean, changed)], [clean]], to: path,
      enlargement: 3, gap: 1)
    let sheet = try ImageCodec.decode(path: path)
    #expect(sheet.width == (3 * 3 - 1) * 3 && sheet.height == 3 * 3)
    func red(_ x: Int, _ y: Int) -> UInt8 { sheet.pixels[(y * sheet.width + x) * 3] }
    #expect(red(0, 0) == 0 && red(2, 2) == 0 && red(3, 0) == 255)
    #expect(red(9, 1) == 10)
    // 0.5 + 10 * 10 / 255 = 0.892, times 255.
    #expect(red(18, 0) == 228)
    #expect(red(21, 0) == 128)
  }
}
