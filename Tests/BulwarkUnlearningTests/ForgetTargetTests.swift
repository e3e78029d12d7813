import BulwarkData
import BulwarkStore
import BulwarkTensor
import Foundation
import BulwarkTraining
import Testing

@testable import BulwarkUnlearning

@Suite("What is to be forgotten")
struct ForgetTargetTests {
  private func dataset(sources: [String]? = nil) throws -> ImageDataset {
    try ImageDataset(
      images: Tensor.zeros([6, 1, 2, 2], dtype: .uint8), labels: [0, 1, 2, 0, 1, 2],
      classNames: ["cat", "dog", "ship"], sources: sources)
  }

  @Test("A list is checked: out of range, duplicate, empty and everything are errors of their own")
  func checks() throws {
    let set = try ForgetSet([4, 1], of: 6, origin: "list")
    #expect(set.forget == [1, 4])
    #expect(set.retain == [0, 2, 3, 5])
    #expect(throws: UnlearningError.outOfRange(index: 6, count: 6, origin: "list")) {
      try ForgetSet([0, 6], of: 6, origin: "list")
    }
    #expect(throws: UnlearningError.outOfRange(index: -1, count: 6, origin: "list")) {
      try ForgetSet([-1], of: 6, origin: "list")
    }
    #expect(throws: UnlearningError.duplicate(index: 2, origin: "list")) {
      try ForgetSet([2, 2], of: 6, origin: "list")
    }
    #expect(throws: UnlearningError.empty(origin: "list")) {
      try ForgetSet([], of: 6, origin: "list")
    }
    #expect(throws: UnlearningError.everything(origin: "list")) {
      try ForgetSet(Array(0..<6), of: 6, origin: "list")
    }
  }

  @Test("The digest names the samples, not their order or origin")
  func digest() throws {
    let set = try ForgetSet([4, 1], of: 6, origin: "a")
    #expect(try ForgetSet([1, 4], of: 6, origin: "b").digest == set.digest)
    #expect(try ForgetSet([1, 4], of: 7, origin: "a").digest != set.digest)
    #expect(try ForgetSet([1, 3], of: 6, origin: "a").digest != set.digest)
    #expect(set.digest.hasPrefix("sha256:"))
  }

  @Test("A class is named by name or label; an unknown one is answered with the nearest")
  func classes() throws {
    let data = try dataset()
    for name in ["dog", "1"] {
      #expect(
        try ForgetTarget(parsing: "class:\(name)", seed: 0).resolved(in: data).forget == [1, 4])
    }
    #expect(
      throws: UnlearningError.unknownClass(
        "shipp", valid: ["cat", "dog", "ship"], nearest: "ship")
    ) { try ForgetTarget(parsing: "class:shipp", seed: 0).resolved(in: data) }
  }

  @Test("A random share depends on its seed alone, and can be of one class")
  func fraction() throws {
    let data = try dataset()
    let half = try ForgetTarget(parsing: "random:0.5", seed: 7).resolved(in: data)
    #expect(half.forget.count == 3)
    #expect(
      try ForgetTarget(parsing: "random:0.5:7", seed: 1).resolved(in: data).namesSame(as: half))
    let draws = try (0..<20).map {
      try ForgetTarget.fraction(0.5, of: nil, seed: $0).resolved(in: data).forget
    }
    #expect(Set(draws).count > 5)
    let many = try ImageDataset(
      images: Tensor.zeros([100, 1, 2, 2], dtype: .uint8), labels: (0..<100).map { $0 % 2 },
      classNames: ["a", "b"])
    for share in [0.07, 0.29, 0.57] {
      let drawn = try ForgetTarget.fraction(share, of: nil, seed: 1).resolved(in: many)
      #expect(drawn.forget.count == Int((100 * share).rounded()))
    }
    let cats = try ForgetTarget(parsing: "random:0.5@cat", seed: 2).resolved(in: data)
    #expect(cats.forget == [0] || cats.forget == [3])
    #expect(throws: RecipeError.self) {
      try ForgetTarget(parsing: "random:1.5", seed: 0).resolved(in: data)
    }
    // An empty shell variable must not turn a class into everything.
    for text in ["random:x", "random:", "random:0.5@", "random:0.5:", "random:0.1:7:9"] {
      #expect(throws: RecipeError.self, "\(text)") { try ForgetTarget(parsing: text, seed: 0) }
    }
    #expect(throws: UnlearningError.empty(origin: "a random 0.1 of class cat, seed 0")) {
      try ForgetTarget(parsing: "random:0.1@cat", seed: 0).resolved(in: data)
    }
  }

  @Test("Samples are found by their source folder, at any depth")
  func sources() throws {
    let data = try dataset(sources: [
      "train/cat/alice/1.png", "train/dog/bob/1.png", "train/ship/alice/2.png",
      "train/cat/alice.png", "train/dog/malice/3.png", "train/ship/bob/alice.png",
    ])
    #expect(try ForgetTarget(parsing: "source:alice", seed: 0).resolved(in: data).forget == [0, 2])
    #expect(try ForgetTarget(parsing: "source:dog/bob", seed: 0).resolved(in: data).forget == [1])
    #expect(throws: UnlearningError.unknownSource("carol", isRecorded: true)) {
      try ForgetTarget.source("carol").resolved(in: data)
    }
    #expect(throws: UnlearningError.unknownSource("alice", isRecorded: false)) {
      try ForgetTarget.source("alice").resolved(in: try dataset())
    }
  }

  @Test("Positions can be written on the command line")
  func indices() throws {
    #expect(
      try ForgetTarget(parsing: "indices:5, 0,2", seed: 0).resolved(in: dataset()).forget
        == [0, 2, 5])
    // Two numbers with a space between them are not one.
    #expect(throws: RecipeError.self) { try ForgetTarget(parsing: "indices:4 8", seed: 0) }
  }
}

@Suite("Lists of samples in files")
struct ForgetListFileTests {
  private func read(_ text: String) throws -> [Int] {
    let path = try temporaryFile("list")
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return try ForgetListFile.read(path)
  }

  @Test(
    "JSON: an array, or an object that holds one",
    arguments: [
      "[3, 1]", "{\"flagged\": [3, 1], \"samples\": []}", " {\"indices\": [3, 1]}",
      "{\"noiseIndices\": [0], \"poisonedIndices\": [3, 1], \"trueLabels\": [5, 6]}",
    ])
  func json(text: String) throws { #expect(try read(text) == [3, 1]) }

  @Test(
    "CSV: numbers one a line, or the column 'index', whose rows a column 'flagged' selects",
    arguments: [
      "3\n1\n", "index\n3\n1", "score,index\n0.5,3\n0.1,1\n", "3, a\n1, b",
      "index,flagged\n3,1\n2,0\n1,true\n", "index,flagged\n3,1.0\n2,0.0\n1,YES\n",
    ])
  func csv(text: String) throws {
    if text == "3, a\n1, b" {
      // A first line with words is a header, and this one names no column 'index'.
      #expect(throws: UnlearningError.self) { try read(text) }
    } else {
      #expect(try read(text) == [3, 1])
    }
  }

  @Test(
    "Anything else is refused",
    arguments: [
      "[1.5]", "{\"x\": [1]}", "[1", "name\n1\n", "index\nx\n", "1\n2.5\n", "3,1,7\n", "3\n1,7\n",
      "index,flagged\n3,1\n1,maybe\n", "index,flagged\n3,1\n1\n",
    ])
  func refused(text: String) throws {
    #expect(throws: UnlearningError.self) { try read(text) }
  }

  @Test("HDF5: the list that `bulwark flag` writes")
  func hdf5() throws {
    let path = try temporaryFile("list.h5")
    let file = try HDF5File.create(path)
    for (name, values) in [("flagged", [Int64(3), 1]), ("index", [0, 1, 2, 3])] {
      try values.withUnsafeBytes {
        _ = try file.root.write(name, number: .int64, shape: [values.count], bytes: $0)
      }
    }
    try file.close()
    #expect(try ForgetListFile.read(path) == [3, 1])
  }

  @Test("HDF5: the index set of a checkpoint; one without is no list, a damaged one is said")
  func checkpoint() throws {
    let path = try temporaryFile("checkpoint.h5")
    var checkpoint = Checkpoint(
      weights: [:], indexSets: ["labeled_pool": [0], "poisoned": [3, 1]])
    try checkpoint.write(to: path)
    #expect(try ForgetListFile.read(path) == [3, 1])
    checkpoint.indexSets["poisoned"] = nil
    try checkpoint.write(to: path, overwrite: true)
    #expect(throws: UnlearningError.self) { try ForgetListFile.read(path) }
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes[100] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    #expect(throws: StoreError.self) { try ForgetListFile.read(path) }
  }

  @Test(
    "HDF5: a list that claims more than memory holds is refused",
    arguments: [HostileList.terabytes, .overflow])
  func hostile(list: HostileList) throws {
    let path = try temporaryFile("list.h5")
    let bytes = try #require(Data(base64Encoded: list.rawValue))
    try bytes.write(to: URL(fileURLWithPath: path))
    let error = #expect(throws: StoreError.self) { try ForgetListFile.read(path) }
    #expect(error?.kind == .oversized && error?.item == "/flagged")
  }

  @Test("Held against a data set, every position must be there, and once; an empty list may be")
  func checked() throws {
    let path = try temporaryFile("list.json")
    func read(_ text: String) throws -> [Int] {
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      return try ForgetListFile.read(path, of: 4)
    }
    #expect(try read("[3, 1]") == [3, 1])
    #expect(try read("[]") == [])
    #expect(throws: UnlearningError.outOfRange(index: 4, count: 4, origin: path)) {
      try read("[3, 4]")
    }
    #expect(throws: UnlearningError.duplicate(index: 3, origin: path)) { try read("[3, 3]") }
  }

  @Test("A missing file is a missing input")
  func missing() {
    let error = #expect(throws: StoreError.self) { try ForgetListFile.read("/nonexistent.json") }
    #expect(error?.category == .missingInput)
  }
}

/// HDF5 files, in base 64, with a data set `flagged` of type int64 of which no element is stored.
enum HostileList: String {
  /// Of 2^40 elements, contiguous.
  case terabytes = """
    iUhERg0KGgoDCAgAAAAAAAAAAAD//////////88BAAAAAAAAMAAAAAAAAACHlEUuT0hEUgIgtlkMa7ZZDGu2WQxrtlkM\
    a3gCEgAAAAD/////////////////////CgIAAQAABhIAAAEAB2ZsYWdnZWTDAAAAAAAAAABCAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABjKTeET0hEUgIBAAEBFAAA\
    AgEBAQAAAAAAAQAAAAAAAAABAAADDAABEAgAAAgAAAAAAEAABQIAAQMKCBIAAAQB//////////8AAAAAAAgAAAC4AAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAALJV/3A==
    """
  /// Of 2^61 elements, in chunks: its size in bytes is no 64-bit number.
  case overflow = """
    iUhERg0KGgoDCAgAAAAAAAAAAAD//////////88BAAAAAAAAMAAAAAAAAACHlEUuT0hEUgIgtlkMa7ZZDGu2WQxrtlkM\
    a3gCEgAAAAD/////////////////////CgIAAQAABhIAAAEAB2ZsYWdnZWTDAAAAAAAAAABCAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABjKTeET0hEUgIBAAEBFAAA\
    AgEBAQAAAAAAAAAgAAAAAAAAACADDAABEAgAAAgAAAAAAEAABQIAAQMLCBMAAAQCAAICAAQIAAMK//////////8AtwAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA7824CA==
    """
}
