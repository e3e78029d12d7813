import CPNG
import Foundation
import Testing

@testable import BulwarkData
@testable import BulwarkTensor

@Suite("CIFAR binaries and IDX files")
struct BinaryFormatTests {
  /// `labels.count` records whose pixels are all the record's number.
  private func cifar(_ labels: [UInt8], coarse: Bool = false) -> [UInt8] {
    labels.enumerated().flatMap { index, label in
      (coarse ? [0, label] : [label]) + [UInt8](repeating: UInt8(index), count: 3072)
    }
  }

  private func idx(_ shape: [Int], _ bytes: [UInt8]) -> [UInt8] {
    [0, 0, 8, UInt8(shape.count)]
      + shape.flatMap { length in (0..<4).map { UInt8(length >> (24 - 8 * $0) & 255) } } + bytes
  }

  private func mnist(_ scratch: Scratch, labels: [UInt8] = [3, 9]) throws {
    try scratch.write(
      idx([2, 2, 3], (1...12).map { UInt8($0) }), "train-images-idx3-ubyte")
    try scratch.write(idx([labels.count], labels), "train-labels-idx1-ubyte")
  }

  @Test("CIFAR-10 is found by its files, also one folder up")
  func cifar10() throws {
    let scratch = try Scratch()
    try scratch.write(cifar([1, 9]), "cifar-10-batches-bin/data_batch_1.bin")
    try scratch.write(cifar([4]), "cifar-10-batches-bin/data_batch_2.bin")
    try scratch.write(cifar([0, 0, 7]), "cifar-10-batches-bin/test_batch.bin")
    let bundle = try DataSource.load(scratch.path)
    #expect(bundle.kind == .cifar10)
    #expect(bundle.train.images.shape == [3, 3, 32, 32])
    #expect(bundle.train.labels == [1, 9, 4])
    #expect(bundle.test?.labels == [0, 0, 7])
    #expect(try bundle.train.images.narrow(0, start: 1, length: 1).bytes().allSatisfy { $0 == 1 })
    #expect(bundle.warnings.count == 1)
    #expect(bundle.train.classNames[3] == "cat")
  }

  @Test("CIFAR-100 uses the fine labels and their names")
  func cifar100() throws {
    let scratch = try Scratch()
    try scratch.write(cifar([99, 5], coarse: true), "train.bin")
    try scratch.write(
      Array((0..<100).map { "class\($0)" }.joined(separator: "\n").utf8), "fine_label_names.txt")
    let bundle = try DataSource.load(scratch.path)
    #expect(bundle.kind == .cifar100)
    #expect(bundle.train.labels == [99, 5])
    #expect(bundle.train.classNames[99] == "class99")
  }

  @Test("A CIFAR label out of range names file and record")
  func cifarLabel() throws {
    let scratch = try Scratch()
    let path = try scratch.write(cifar([1, 10]), "data_batch_1.bin")
    #expect(
      dataError { _ = try DataSource.load(scratch.path) }
        == .labelOutOfRange(path: path, index: 1, label: 10, classCount: 10))
  }

  @Test("With skipBad, labels out of range are left out and counted")
  func skippedLabels() throws {
    let scratch = try Scratch()
    try scratch.write(cifar([1, 10, 255, 4]), "data_batch_1.bin")
    let bundle = try DataSource.load(scratch.path, options: DataOptions(skipBad: true))
    #expect(bundle.train.labels == [1, 4])
    #expect(try bundle.train.images.narrow(0, start: 1, length: 1).bytes().allSatisfy { $0 == 3 })
    #expect(bundle.warnings.contains { $0.hasPrefix("2 sample(s) of") })
    let digits = try Scratch()
    try mnist(digits, labels: [11, 9])
    let kept = try DataSource.load(digits.path, options: DataOptions(skipBad: true))
    #expect(kept.train.labels == [9])
    #expect(try kept.train.images.bytes() == (7...12).map { UInt8($0) })
  }

  @Test("A CIFAR file of the wrong length is refused")
  func cifarLength() throws {
    let scratch = try Scratch()
    let path = try scratch.write(Array(cifar([1, 2]).dropLast()), "data_batch_1.bin")
    guard
      case .wrongFormat(path, _, "6145 bytes") = dataError({ _ = try DataSource.load(scratch.path) }
      )
    else {
      Issue.record("the length was not refused")
      return
    }
  }

  @Test("CIFAR's pickle files are refused with the address of the binary version")
  func pickle() throws {
    let scratch = try Scratch()
    try scratch.write([0x80], "data_batch_1")
    let error = dataError { _ = try DataSource.load(scratch.path) }
    #expect(error?.remedy.contains("cifar-10-binary.tar.gz") == true)
  }

  @Test("IDX files load, plain and gzip-compressed alike")
  func idxFiles() throws {
    let plain = try Scratch()
    try mnist(plain)
    let bundle = try DataSource.load(plain.path)
    #expect(bundle.kind == .mnist)
    #expect(bundle.train.images.shape == [2, 1, 2, 3])
    #expect(bundle.train.labels == [3, 9])
    #expect(try bundle.train.images.bytes() == (1...12).map { UInt8($0) })

    let packed = try Scratch()
    for (name, bytes) in [
      ("train-images-idx3-ubyte.gz", idx([2, 2, 3], (1...12).map { UInt8($0) })),
      ("train-labels-idx1-ubyte.gz", idx([2], [3, 9])),
    ] {
      let file = gzopen(packed.path + "/" + name, "wb")
      #expect(gzwrite(file, bytes, UInt32(bytes.count)) == Int32(bytes.count))
      gzclose(file)
    }
    #expect(try DataSource.load(packed.path).train.fingerprint == bundle.train.fingerprint)
  }

  @Test("A wrong IDX magic number shows both numbers")
  func idxMagic() throws {
    let scratch = try Scratch()
    try mnist(scratch)
    try scratch.write([0, 0, 13, 3] + [UInt8](repeating: 0, count: 40), "train-images-idx3-ubyte")
    let error = dataError { _ = try DataSource.load(scratch.path) }
    #expect(error?.summary.contains("00 00 08 03") == true)
    #expect(error?.summary.contains("00 00 0D 03") == true)
  }

  @Test("An IDX file that is too short, too long or claims too much is damaged")
  func idxLength() throws {
    let scratch = try Scratch()
    let good = idx([2, 2, 3], (1...12).map { UInt8($0) })
    for bytes in [
      Array(good.dropLast()), good + [0], idx([0x7FFF_FFFF, 0x7FFF, 0x7FFF], [1, 2, 3]),
    ] {
      try mnist(scratch)
      let path = try scratch.write(bytes, "train-images-idx3-ubyte")
      guard case .damaged(path, _) = dataError({ _ = try DataSource.load(scratch.path) }) else {
        Issue.record("\(bytes.count) bytes were not refused")
        return
      }
    }
  }

  @Test("What IDX files claim is held against the memory before a label is read, labels included")
  func idxMemory() throws {
    let scratch = try Scratch()
    // Two terabytes of pixels, which a file of this size could hold compressed; no label follows.
    let (count, side) = (8000, 16_384)
    let images = try scratch.writeSparse(
      idx([count, side, side], []), size: 3 << 30, "train-images-idx3-ubyte")
    try scratch.write(idx([count], []), "train-labels-idx1-ubyte")
    guard
      case .tooMuchMemory(images, let needed, _) = dataError({
        _ = try DataSource.load(scratch.path)
      })
    else {
      Issue.record("the labels were read first")
      return
    }
    #expect(needed == count * (side * side + 9))
  }

  @Test("IDX labels out of range and counts that differ are refused")
  func idxLabels() throws {
    let scratch = try Scratch()
    try mnist(scratch, labels: [3, 10])
    guard
      case .labelOutOfRange(_, 1, 10, 10) = dataError({ _ = try DataSource.load(scratch.path) })
    else {
      Issue.record("the label was not refused")
      return
    }
    try mnist(scratch, labels: [3])
    guard case .inconsistent = dataError({ _ = try DataSource.load(scratch.path) }) else {
      Issue.record("the count was not refused")
      return
    }
  }

  @Test("The kind can be given against the detection, and a wrong one names the missing file")
  func override() throws {
    let scratch = try Scratch()
    try makeClasses(scratch, "")
    guard
      case .missing(let path) = dataError({
        _ = try DataSource.load(scratch.path, options: DataOptions(kind: .cifar10))
      })
    else {
      Issue.record("the kind was not taken")
      return
    }
    #expect(path.hasSuffix("data_batch_1.bin"))
  }
}
