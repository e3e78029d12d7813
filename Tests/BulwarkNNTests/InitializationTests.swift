import BulwarkNN
import BulwarkTensor
import Foundation
import Testing

@Suite struct InitializationTests {
  /// Names and shapes of the published checkpoints of width 64 with 1,000 classes.
  @Test(arguments: ["resnet18", "resnet34"]) func namesAndShapes(_ family: String) throws {
    try compare(family, width: 64)
  }

  /// At an eighth of the width, where all lengths but images' and classes' are an eighth as long.
  @Test(arguments: ["vgg16_bn", "vgg19_bn"]) func namesAndShapesOfVGG(_ family: String) throws {
    try compare(family, width: 8)
  }

  private func compare(_ name: String, width: Int) throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: Fixture.path("state-names.json")))
    let table = try #require(try JSONSerialization.jsonObject(with: data) as? [String: [[Any]]])
    let family = try #require(Architecture.Family(rawValue: name))
    let model = try Architecture(family, stem: .imageNet, width: width, classes: 1000).build(
      key: RandomKey(seed: 0))
    let expected: [String] = try #require(table[name]).map { row in
      "\(row[0]) \(row[1] as? [Int] ?? [-1])"
    }
    let found = model.state.entries.map { entry -> String in
      // Back to width 64: lengths that scale with the width are multiples of it.
      let shape = entry.tensor.shape.map {
        [1000, 7, 3, 1].contains($0) ? $0 : $0 * 64 / width
      }
      return "\(entry.name) \(shape)"
    }
    #expect(found == expected)
  }

  @Test func parameterCounts() throws {
    let model = try Architecture(.resNet18, width: 64, classes: 10).build(key: RandomKey(seed: 0))
    #expect(model.state.parameterCount == 11_168_832 + 5_130)
    #expect(
      model.state.parameters.filter { model.isHead($0.name) }.map(\.tensor.count) == [5120, 10])
  }

  /// The counts of He et al. 2016 (0.27 M for ResNet-20) plus the 1×1 shortcuts of option B.
  @Test(arguments: [("resnet8", 78_042), ("resnet14", 175_258), ("resnet20", 272_474)])
  func parameterCountsOfNarrowResNets(_ name: String, _ count: Int) throws {
    let family = try #require(Architecture.Family(rawValue: name))
    let model = try Architecture(family, width: 16, classes: 10).build(key: RandomKey(seed: 0))
    #expect(model.state.parameterCount == count)
    // Without the two shortcuts: their convolutions of 16·32 and 32·64 weights, and 2·(32 + 64).
    let shortcuts = model.state.parameters.filter { $0.name.contains("downsample") }
    #expect(shortcuts.reduce(0) { $0 + $1.tensor.count } == 512 + 2048 + 192)
    #expect(model.state["layer3.0.conv2.weight"]?.shape == [64, 64, 3, 3])
    #expect(model.state["layer4.0.conv1.weight"] == nil)
    #expect(model.headName == "fc")
  }

  @Test func distributions() throws {
    let model = try Architecture(.resNet18, width: 32, classes: 10).build(key: RandomKey(seed: 3))
    for entry in model.state.entries {
      let tensor = entry.tensor
      switch (tensor.rank, entry.name) {
      case (4, _):
        // Kaiming normal, fan-out: the relative standard error of a deviation is 1/√(2n).
        let expected = (2 / Double(tensor.shape[0] * tensor.shape[2] * tensor.shape[3]))
          .squareRoot()
        let found = try tensor.variance().item().squareRoot()
        let n = Double(tensor.count)
        #expect(abs(found / expected - 1) < 5 / (2 * n).squareRoot(), "\(entry.name)")
        #expect(abs(try tensor.mean().item()) < 5 * expected / n.squareRoot(), "\(entry.name)")
      case (2, _):
        let bound = 1 / Double(tensor.shape[1]).squareRoot()
        let largest = try tensor.abs().max().item()
        #expect(largest <= bound && largest > 0.98 * bound)
        #expect(abs(try tensor.variance().item() / (bound * bound / 3) - 1) < 0.1)
      case (1, "fc.bias"):
        #expect(try tensor.abs().max().item() <= 1 / Double(256).squareRoot())
      case (_, let name) where name.hasSuffix("weight") || name.hasSuffix("running_var"):
        #expect(try tensor.floats().allSatisfy { $0 == 1 })
      default:
        #expect(try tensor.to(.float32).floats().allSatisfy { $0 == 0 })
      }
    }
  }

  @Test func headAndBiasesOfVGG() throws {
    let model = try Architecture(.vgg16, width: 16, classes: 100).build(key: RandomKey(seed: 3))
    #expect(abs(try model.head.weight.variance().item().squareRoot() / 0.01 - 1) < 0.02)
    for entry in model.state.parameters where entry.name.hasSuffix("bias") {
      #expect(try entry.tensor.abs().max().item() == 0, "\(entry.name)")
    }
  }

  @Test func weightsDependOnKeyAndNameAlone() throws {
    func weight(_ seed: UInt64, _ classes: Int) throws -> [Float] {
      let model = try Architecture(.smallCNN, width: 4, classes: classes).build(
        key: RandomKey(seed: seed))
      return try #require(model.state["conv3.weight"]).floats()
    }
    #expect(try weight(1, 10) == weight(1, 20))
    #expect(try weight(1, 10) != weight(2, 10))
  }

  @Test(
    "Sizes that no tensor can have are refused by name",
    arguments: [("width", Int.max, 10, 3), ("classes", 8, 0, 3), ("channels", 8, 10, 5_000)])
  func unbuildable(name: String, width: Int, classes: Int, channels: Int) {
    let error = #expect(throws: UnbuildableArchitecture.self) {
      try Architecture(.resNet18, width: width, classes: classes, channels: channels)
        .build(key: RandomKey(seed: 1))
    }
    #expect(error?.name == name)
  }
}
