import BulwarkTensor
import Foundation
import Testing

@testable import BulwarkStore

private let h5py = python(with: ["h5py"])
private let torch = python(with: ["torch"])
private let safetensors = python(with: ["safetensors", "torch"])

/// The same files as other programs see them; skipped where Python lacks the module.
@Suite struct PythonTests {
  @Test(.enabled(if: h5py != nil, "needs Python with h5py; BULWARK_PYTHON names one"))
  func h5pyFindsTheWeightsByNameAndTheSealIsPlain() throws {
    let folder = try TemporaryFolder()
    try smallCheckpoint().write(to: folder.file("a.h5"))
    let code = """
      import sys, json, hashlib, h5py, numpy
      path = sys.argv[1]
      f = h5py.File(path, "r")
      w = f["model/layer1/0/conv1/weight"]
      assert w.shape == (2, 3, 4) and w.dtype == numpy.float32 and w[0, 0, 1] == -6.5
      assert f["model/layer1/0/bn1/num_batches_tracked"][()] == 1 << 40
      assert f["model/types/float16"].dtype == numpy.float16 and f["model/types/float16"][0, 0, 0] == -7.5
      b = f["model/types/bfloat16"]
      assert b.attrs["bulwark.dtype"].decode() == "bfloat16" and b.dtype == numpy.uint16
      bits = b[...].astype(numpy.uint32) << 16
      assert (bits.view(numpy.float32) == w[...]).all()
      assert f["model/types/bool"].attrs["bulwark.dtype"].decode() == "bool"
      assert list(f["input/class_names"].asstr()) == ["zero", "eins", "två", ""]
      assert f["history/loss"]["step"].tolist() == [0, 10] and f["history/loss"].attrs["unit"] == b"nats"
      assert f["history/loss"].maxshape == (None,)
      assert json.loads(f["progress"].asstr()[()])["step"] == 77
      assert f["recipe"].asstr()[()].startswith("method: dbd")
      assert f["data/indices/poisoned"][...].tolist() == [3, 1, 4]
      for line in f["digests"].asstr()[()].splitlines():
        digest, kind, shape, name = line.split("  ", 3)
        assert hashlib.sha256(f[name][()].tobytes() if not kind.startswith("text")
          else b"").hexdigest() == digest or kind.startswith("text"), name
      raw = open(path, "rb").read()
      pieces = [raw[i:i + (1 << 20)] for i in range(512, len(raw), 1 << 20)]
      assert raw[32:64] == hashlib.sha256(b"".join(hashlib.sha256(p).digest() for p in pieces)).digest()
      assert raw[480:512] == hashlib.sha256(raw[:480]).digest()
      """
    try runPython(code, [folder.file("a.h5")], interpreter: try #require(h5py))
  }

  @Test(.enabled(if: h5py != nil, "needs Python with h5py; BULWARK_PYTHON names one"))
  func aFileEditedByH5pyIsRefusedAndReadOnRequestWithTheChangesNamed() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.h5")
    try smallCheckpoint().write(to: path)
    let code = """
      import sys, h5py
      with h5py.File(sys.argv[1], "r+") as f:
        f["model/layer1/0/conv1/weight"][0, 0, 0] = 42
        f["model"].create_dataset("added", data=[1.0, 2.0])
      """
    try runPython(code, [path], interpreter: try #require(h5py))
    #expect(try kindOfError { _ = try Checkpoint(reading: path) } == .brokenSeal)
    let edited = try Checkpoint(reading: path, policy: .edited)
    #expect(try edited.weights["layer1.0.conv1.weight"]?.floats().first == 42)
    #expect(edited.weights.names.last == "added")
    #expect(
      try Checkpoint.changes(at: path).map(\.item)
        == ["/model/layer1/0/conv1/weight", "/model/added"])
    let report = try Verification.of(path)
    #expect(report.problems.map(\.kind) == [.brokenSeal, .digestMismatch, .digestMismatch])
  }

  @Test(.enabled(if: torch != nil, "needs Python with torch; BULWARK_PYTHON names one"))
  func stateDictsOfPyTorchAreRead() throws {
    let folder = try TemporaryFolder()
    let code = """
      import sys, torch
      torch.manual_seed(0)
      m = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
      m(torch.randn(2, 3, 8, 8))
      d = sys.argv[1] + "/"
      sd = m.state_dict()
      torch.save(sd, d + "plain.pt")
      torch.save({"epoch": 3, "best": 0.5, "state_dict": {"module." + k: v for k, v in sd.items()},
                  "optimizer": {"lr": 0.1, "betas": (0.9, 0.99)}}, d + "nested.pth")
      base = torch.arange(12.).reshape(3, 4)
      torch.save({"base": base, "turned": base.t(), "part": base[1:, 1:], "half": base.half(),
                  "bf": base.bfloat16(), "flag": base > 5, "p": torch.nn.Parameter(base),
                  "scalar": torch.tensor(7), "empty": torch.zeros(0, 3)}, d + "views.pt")
      torch.save(sd, d + "legacy.pt", _use_new_zipfile_serialization=False)
      torch.save(m, d + "module.pt")
      torch.save([1, 2], d + "list.pt")
      torch.save({"lr": 0.1}, d + "none.pt")
      """
    try runPython(code, [folder.path], interpreter: try #require(torch))
    let plain = try PyTorchFile.read(folder.file("plain.pt"))
    #expect(
      plain.tensors.names == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
        "1.num_batches_tracked",
      ])
    #expect(try plain.tensors["1.num_batches_tracked"]?.integers() == [1])
    #expect(plain.tensors["1.num_batches_tracked"]?.dtype == .int64)
    let nested = try PyTorchFile.read(folder.file("nested.pth"))
    try expectSame(nested.tensors, plain.tensors)
    #expect(nested.key == "state_dict" && nested.strippedPrefix == "module.")
    #expect(nested.ignored == ["epoch", "best", "optimizer"])
    let views = try PyTorchFile.read(folder.file("views.pt")).tensors
    #expect(try views["turned"]?.floats() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11])
    #expect(try views["part"]?.floats() == [5, 6, 7, 9, 10, 11] && views["part"]?.shape == [2, 3])
    #expect(views["bf"]?.dtype == .bfloat16 && views["flag"]?.dtype == .bool)
    #expect(views["scalar"]?.shape == [] && views["empty"]?.shape == [0, 3])
    for (name, expected): (String, StoreError.Kind) in [
      ("legacy.pt", .foreignFile), ("module.pt", .refusedPickle), ("list.pt", .missingDataset),
      ("none.pt", .missingDataset),
    ] {
      #expect(
        try kindOfError { _ = try PyTorchFile.read(folder.file(name)) } == expected, "\(name)")
    }
  }

  @Test(.enabled(if: torch != nil, "needs Python with torch; BULWARK_PYTHON names one"))
  func pyTorchOpensWhatIsExported() throws {
    let folder = try TemporaryFolder()
    try PyTorchFile.write(try everyKindOfTensor(), to: folder.file("a.pt"))
    let code = """
      import sys, torch
      sd = torch.load(sys.argv[1], weights_only=True)
      assert list(sd)[0] == "layer1.0.conv1.weight" and sd["layer1.0.conv1.weight"].shape == (2, 3, 4)
      assert sd["layer1.0.conv1.weight"].flatten()[0] == -7.5
      assert sd["types.bfloat16"].dtype == torch.bfloat16 and sd["types.bool"].dtype == torch.bool
      assert sd["layer1.0.bn1.num_batches_tracked"] == 1 << 40 and sd["empty"].shape == (0, 3)
      assert (sd["transposed"] == sd["layer1.0.conv1.weight"].permute(2, 0, 1)).all()
      """
    try runPython(code, [folder.file("a.pt")], interpreter: try #require(torch))
  }

  @Test(.enabled(if: safetensors != nil, "needs Python with safetensors and torch"))
  func safetensorsGoBothWays() throws {
    let folder = try TemporaryFolder()
    try Safetensors.write(try everyKindOfTensor(), to: folder.file("a.safetensors"))
    let code = """
      import sys, torch
      from safetensors.torch import load_file, save_file
      sd = load_file(sys.argv[1])
      assert sd["layer1.0.conv1.weight"].flatten()[0] == -7.5 and sd["types.bfloat16"].dtype == torch.bfloat16
      save_file(sd, sys.argv[2], metadata={"made": "there"})
      """
    try runPython(
      code, [folder.file("a.safetensors"), folder.file("b.safetensors")],
      interpreter: try #require(safetensors))
    let found = try Safetensors.read(folder.file("b.safetensors"))
    #expect(found.metadata["made"] == "there")
    for entry in try everyKindOfTensor() {
      #expect(try found.tensors[entry.name]?.rawBytes == entry.tensor.rawBytes)
    }
  }
}
