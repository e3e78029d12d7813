import BulwarkTensor
import Testing

@testable import BulwarkNN

@Suite("Networks in two halves")
struct CutTests {
  @Test(
    "Both halves together answer as the whole does, at every cut",
    arguments: Architecture.Family.allCases)
  func halves(_ family: Architecture.Family) throws {
    let model = try Architecture(family, width: 4, classes: 3).build(key: RandomKey(seed: 1))
    let images = try RandomKey(seed: 2).normal([2, 3, 32, 32])
    try withoutGradients {
      let whole = try model.logits(images, .evaluation).floats()
      #expect(!model.cuts.isEmpty)
      for cut in model.cuts {
        let arrivals = try model.activations(images, before: cut)
        let features = try model.features(activations: arrivals, from: cut, .evaluation)
        #expect(try model.head(features).floats() == whole, "\(cut)")
      }
    }
  }

  @Test("A cut divides the tensors: its own part lies behind it, and so does the head")
  func owners() throws {
    let model = try Architecture(.resNet18, width: 4, classes: 3).build(key: RandomKey(seed: 1))
    #expect(model.cuts == ["layer1", "layer2", "layer3", "layer4"])
    for entry in model.state.entries {
      let isStem = entry.name.hasPrefix("conv1") || entry.name.hasPrefix("bn1")
      #expect(model.isBefore(entry.name, cut: "layer1") == isStem)
      let isLate = entry.name.hasPrefix("layer4") || entry.name.hasPrefix("fc")
      #expect(model.isBefore(entry.name, cut: "layer4") == !isLate)
    }
    // Names that begin alike: conv1 and conv10 would.
    let vgg = try Architecture(.vgg16, width: 4, classes: 3).build(key: RandomKey(seed: 1))
    #expect(vgg.isBefore("features.0.weight", cut: "features.3"))
    #expect(vgg.isBefore("features.1.running_mean", cut: "features.3"))
    #expect(!vgg.isBefore("features.10.weight", cut: "features.3"))
  }

  @Test("What lies before a cut is computed in evaluation mode: no statistics move there")
  func statistics() throws {
    let model = try Architecture(.smallCNN, width: 4, classes: 3).build(key: RandomKey(seed: 1))
    let images = try RandomKey(seed: 2).normal([8, 3, 16, 16])
    let before = try model.state.snapshot()
    let arrivals = try model.activations(images, before: "conv4")
    _ = try model.features(activations: arrivals, from: "conv4", .training)
    for ((name, old), (_, new)) in zip(before, try model.state.snapshot()) {
      let moved = try old.to(.float64).doubles() != new.to(.float64).doubles()
      let isStatistic = name.contains("running") || name.contains("num_batches")
      #expect(moved == (isStatistic && !model.isBefore(name, cut: "conv4")), "\(name)")
    }
  }
}
