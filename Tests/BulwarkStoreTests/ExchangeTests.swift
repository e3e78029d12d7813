import BulwarkTensor
import Foundation
import Testing

@testable import BulwarkStore

@Suite struct SafetensorsTests {
  private func file(_ folder: TemporaryFolder, _ header: String, data: Int) throws -> String {
    let path = folder.file("x.safetensors")
    try write(
      little(header.utf8.count, 8) + Array(header.utf8) + [UInt8](repeating: 1, count: data), path)
    return path
  }

  @Test func everyTensorComesBack() throws {
    let folder = try TemporaryFolder()
    let tensors = try everyKindOfTensor()
    try Safetensors.write(tensors, to: folder.file("a"), metadata: ["format": "pt", "ü": "\"\n"])
    let found = try Safetensors.read(folder.file("a"))
    #expect(found.metadata == ["format": "pt", "ü": "\"\n"])
    #expect(Set(found.tensors.names) == Set(tensors.names))
    for entry in tensors {
      let other = try #require(found.tensors[entry.name])
      #expect(other.shape == entry.tensor.shape && other.dtype == entry.tensor.dtype)
      #expect(try other.rawBytes == entry.tensor.rawBytes)
    }
  }

  @Test(
    arguments: [
      (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 8, nil),
      (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 7, .truncated),
      (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 9, .invalidContent),
      (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, 12, .invalidContent),
      (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8, .invalidContent),
      (#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, 8, .invalidContent),
      (#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, 8, .oversized),
      (
        #"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#, 8,
        .oversized
      ),
      (
        #"{"a":{"dtype":"F32","shape":[1152921504606846976],"data_offsets":[0,4611686018427387904]}}"#,
        8, .truncated
      ),
      (#"{"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}"#, 8, .unexpectedType),
      (
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
        4, .invalidContent
      ),
      (
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
        8, .invalidName
      ),
      (
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\u0061":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
        8, .invalidName
      ),
      (#"{"a":3}"#, 0, .invalidContent),
      (#"[1,2]"#, 0, .foreignFile),
      (#"{"a""#, 0, .invalidContent),
    ] as [(String, Int, StoreError.Kind?)])
  func headersAreChecked(header: String, data: Int, expected: StoreError.Kind?) throws {
    let folder = try TemporaryFolder()
    let path = try file(folder, header, data: data)
    #expect(try kindOfError { _ = try Safetensors.read(path) } == expected)
  }

  @Test func absurdLengthsAreRefused() throws {
    let folder = try TemporaryFolder()
    for (bytes, expected): ([UInt8], StoreError.Kind) in [
      ([1, 2, 3], .truncated), ([UInt8](repeating: 255, count: 64), .foreignFile),
      ([100, 0, 0, 0, 0, 0, 0, 0, 1], .truncated),
    ] {
      try write(bytes, folder.file("x"))
      #expect(try kindOfError { _ = try Safetensors.read(folder.file("x")) } == expected)
    }
    #expect(try kindOfError { _ = try Safetensors.read(folder.file("none")) } == .missingFile)
  }
}

@Suite struct PyTorchFileTests {
  @Test func everyTensorComesBackInOrder() throws {
    let folder = try TemporaryFolder()
    let tensors = try everyKindOfTensor()
    try PyTorchFile.write(tensors, to: folder.file("a.pt"))
    let found = try PyTorchFile.read(folder.file("a.pt"))
    try expectSame(found.tensors, tensors)
    #expect(found.key == nil && found.strippedPrefix == nil && found.ignored.isEmpty)
  }

  @Test func damageIsFoundByTheArchivesChecksums() throws {
    let folder = try TemporaryFolder()
    try PyTorchFile.write(["w": Tensor([Float(1.5), 2.5])], to: folder.file("a.pt"))
    var bytes = try read(folder.file("a.pt"))
    let place = try #require(
      (0..<bytes.count - 4).first { Array(bytes[$0..<$0 + 4]) == [0, 0, 192, 63] })
    bytes[place] ^= 1
    try write(bytes, folder.file("a.pt"))
    #expect(try kindOfError { _ = try PyTorchFile.read(folder.file("a.pt")) } == .digestMismatch)
  }

  /// Pickles that would run code or exhaust memory in a careless reader.
  @Test(arguments: [
    "cos\nsystem\n(X\u{2}\0\0\0lstR.", "cbuiltins\neval\n.", "c__builtin__\ngetattr\n.",
    "ctorch\nload\n.", "ctorch.serialization\nload\n.", "cnumpy.core.multiarray\n_reconstruct\n.",
    "(ios\nsystem\n.", "P0\n.", "(((", "", ".", "}q\0", "e.", "ccollections\nOrderedDict\n)R)b.",
    "]]]a", "h\u{9}.", "X\u{7f}\u{7f}\u{7f}\u{7f}abc.",
  ])
  func anythingButPlainValuesIsRefused(code: String) throws {
    var machine = PickleMachine([0x80, 2] + Array(code.utf8))
    #expect(throws: PickleRefusal.self) { try machine.run() }
  }

  @Test func deepNestingAndSelfReferenceDoNoHarm() throws {
    let deep =
      [UInt8](repeating: UInt8(ascii: "]"), count: 200_000)
      + [UInt8](repeating: UInt8(ascii: "a"), count: 199_999) + Array(".".utf8)
    var machine = PickleMachine([0x80, 2] + deep)
    #expect(throws: Never.self) { try machine.run() }
    var cycle = PickleMachine([0x80, 2] + Array("]q\u{0}h\u{0}a.".utf8))
    #expect(throws: Never.self) { try cycle.run() }
  }

  /// Opcodes that push a text.
  private func text(_ value: String) -> [UInt8] {
    [UInt8(ascii: "X")] + little(value.utf8.count, 4) + Array(value.utf8)
  }

  /// Opcodes that push a float32 tensor in storage 0: its shape and strides are what `sizes` pushes, twice.
  private func tensor(_ sizes: [UInt8] = Array(")".utf8)) -> [UInt8] {
    var code = Array("ctorch._utils\n_rebuild_tensor_v2\n((".utf8) + text("storage")
    code += Array("ctorch\nFloatStorage\n".utf8) + text("0") + text("cpu")
    code += Array("K\u{1}tQK\0".utf8) + sizes + sizes
    return code + [0x89] + Array("}tR".utf8)
  }

  /// Opcodes that push a table; a value is what its opcodes push.
  private func table(_ items: [(name: String, value: [UInt8])]) -> [UInt8] {
    Array("}(".utf8) + items.flatMap { text($0.name) + $0.value } + Array("u".utf8)
  }

  @Test("The state dict under its key counts, whatever tensors stand beside it; else the top does")
  func keyBeforeTop() throws {
    let folder = try TemporaryFolder()
    func content(_ name: String, _ items: [(name: String, value: [UInt8])]) throws
      -> PyTorchFile.Content
    {
      let path = folder.file(name)
      let file = try FileDescriptor(creating: path, shownAs: path)
      var zip = ZipWriter(file)
      let code: [UInt8] = [0x80, 2] + table(items) + Array(".".utf8)
      try zip.add("archive/data.pkl", code)
      try zip.add("archive/data/0", little(Int(Float(1.5).bitPattern), 4))
      try zip.finish()
      return try PyTorchFile.read(path)
    }
    let number = Array("K\u{3}".utf8)
    let weights = table([("module.w", tensor()), ("module.b", tensor())])
    let training = try content(
      "training.pt", [("epoch", number), ("state_dict", weights), ("best_acc1", tensor())])
    #expect(training.key == "state_dict" && training.strippedPrefix == "module.")
    #expect(training.tensors.names == ["w", "b"] && training.ignored == ["epoch", "best_acc1"])
    let plain = try content("plain.pt", [("w", tensor()), ("model", table([("depth", number)]))])
    #expect(plain.key == nil && plain.tensors.names == ["w"] && plain.ignored == ["model"])
    #expect(try plain.tensors["w"]?.floats() == [1.5])
  }

  @Test("A list may be turned into a table, but not so often that the copies outgrow the pickle")
  func copies() throws {
    // A pair, remembered as 1; a list that holds it 1,000 times, as 0; the constructor, as 2.
    var start: [UInt8] =
      [0x80, 2] + Array("K\u{1}K\u{2}".utf8) + [0x86] + Array("q\u{1}]q\0(".utf8)
    for _ in 0..<1000 { start += Array("h\u{1}".utf8) }
    start += Array("eccollections\nOrderedDict\nq\u{2}".utf8)
    let copy: [UInt8] = Array("h\u{2}h\0".utf8) + [0x85] + Array("R".utf8)
    func run(copies: Int) throws {
      var machine = PickleMachine(
        start + (0..<copies).flatMap { _ in copy } + Array(".".utf8))
      _ = try machine.run()
    }
    try run(copies: 1)
    #expect(throws: PickleRefusal.self) { try run(copies: 100) }
  }

  @Test("No shape has more than 64 axes")
  func axes() throws {
    func run(_ axes: Int) throws {
      let ones = (0..<axes).flatMap { _ in Array("K\u{1}".utf8) }
      let code: [UInt8] = tensor(Array("(".utf8) + ones + Array("t".utf8)) + Array(".".utf8)
      var machine = PickleMachine(code)
      _ = try machine.run()
    }
    try run(64)
    #expect(throws: PickleRefusal.self) { try run(65) }
  }

  @Test func viewsBeyondTheirStorageAreRefused() throws {
    let folder = try TemporaryFolder()
    try PyTorchFile.write(["w": Tensor([Float(1), 2, 3, 4])], to: folder.file("a.pt"))
    let path = folder.file("a.pt")
    let file = try FileDescriptor(opening: path, shownAs: path)
    let storages = PyTorchStorages(zip: try ZipReader(file, path: path), folder: "archive/data/")
    let storage = PickleStorage(key: "0", type: "FloatStorage", count: 4)
    for (offset, shape, strides) in [
      (0, [5], [1]), (1, [4], [1]), (-1, [1], [1]), (0, [2], [-1]), (0, [8], [0]), (0, [4], []),
      (0, [1 << 62, 4], [1, 1]), (0, [2], [.max]), (5, [0], [1]),
    ] {
      let view = PickleTensor(storage: storage, offset: offset, shape: shape, strides: strides)
      #expect(try kindOfError { _ = try storages.tensors([("w", view)]) } == .oversized)
    }
    let step = PickleTensor(storage: storage, offset: 1, shape: [2], strides: [2])
    #expect(try storages.tensors([("w", step)])[0].1.floats() == [2, 4])
    // An axis of one element takes no step, so its stride says nothing.
    let flat = PickleTensor(storage: storage, offset: 0, shape: [2, 2, 1], strides: [1, 2, .max])
    #expect(try storages.tensors([("w", flat)])[0].1.floats() == [1, 3, 2, 4])
  }
}
