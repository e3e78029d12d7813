import BulwarkNN
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkWatermark

@Suite("Removal by changing weights")
struct RemovalWeightsTests {
  private func zeros(_ tensor: Tensor) throws -> Int {
    Int(try tensor.detach().eq(0).to(.float32).sum().item())
  }

  @Test(
    "Pruning zeroes floor(N · share) weights of each tensor, the smallest, and nothing else",
    arguments: [0.1, 0.3, 0.5, 0.7, 0.9])
  func perTensor(share: Double) throws {
    let stolen = try StolenModel.shared.get()
    let (before, after) = (try stolen.model(), try stolen.surrogate("prune:share=\(share)"))
    for (old, new) in zip(before.state.entries, after.state.entries) {
      guard old.isTrainable, old.tensor.rank >= 2 else {
        #expect(try old.tensor.detach().doubles() == new.tensor.detach().doubles())
        continue
      }
      #expect(try zeros(new.tensor) == Int(share * Double(old.tensor.count) + 1e-9), "\(old.name)")
      let (weights, left) = (
        try old.tensor.detach().doubles(), try new.tensor.detach().doubles()
      )
      let gone = weights.indices.filter { left[$0] == 0 }.map { abs(weights[$0]) }
      let kept = left.filter { $0 != 0 }.map(abs)
      #expect((gone.max() ?? 0) <= (kept.min() ?? 0))
      #expect(zip(weights, left).allSatisfy { $1 == 0 || $0 == $1 })
    }
  }

  @Test("Global pruning zeroes floor(N · share) of all weights together")
  func global() throws {
    let stolen = try StolenModel.shared.get()
    let after = try stolen.surrogate("prune-global-0.5")
    let counts = try after.weightTensors.map { (try zeros($0), $0.count) }
    let total = counts.reduce(0) { $0 + $1.1 }
    #expect(counts.reduce(0) { $0 + $1.0 } == total / 2)
    // Not the same share everywhere.
    #expect(counts.contains { abs(Double($0.0) / Double($0.1) - 0.5) > 0.05 })
  }

  @Test("A directly embedded trigger set survives pruning 10 %, but not 90 %")
  func pruningStrength() throws {
    let stolen = try StolenModel.shared.get()
    let mild = try stolen.surrogate("prune-0.1")
    #expect(try stolen.survival(mild) > 0.9)
    #expect(try stolen.accuracy(mild) > stolen.accuracy(stolen.model()) - 0.05)
    #expect(try stolen.survival(stolen.surrogate("prune-0.9")) < 0.5)
  }

  @Test(
    "Quantization leaves at most 2^b levels, none further off than half a bin",
    arguments: [8, 6, 5, 4, 1])
  func quantization(bits: Int) throws {
    let stolen = try StolenModel.shared.get()
    let (before, after) = (try stolen.model(), try stolen.surrogate("quantize:bits=\(bits)"))
    for (old, new) in zip(before.weightTensors, after.weightTensors) {
      let (weights, levels) = (try old.detach().doubles(), try new.detach().doubles())
      #expect(Set(levels).count <= 1 << bits)
      #expect(Set(levels).count > 1)
      let (least, most) = (weights.min() ?? 0, weights.max() ?? 0)
      let half = (most - least) / Double(1 << bits) / 2
      #expect(zip(weights, levels).allSatisfy { abs($0 - $1) <= half * 1.001 + 1e-6 })
    }
    let unchanged = ["bn1.weight", "bn3.running_var", "fc.bias"]
    for name in unchanged {
      let (a, b) = (try #require(before.state[name]), try #require(after.state[name]))
      #expect(try a.detach().doubles() == b.detach().doubles())
    }
  }

  @Test("Eight bits change next to nothing, and the result says that they are simulated")
  func eightBits() throws {
    let stolen = try StolenModel.shared.get()
    let attack = try stolen.attack("quantize-8")
    let after = try stolen.surrogate("quantize-8")
    #expect(try stolen.survival(after) == 1)
    #expect(abs(try stolen.accuracy(after) - stolen.accuracy(stolen.model())) <= 0.02)
    #expect((attack as? any DescribedRemovalAttack)?.remark.contains("simulated") == true)
  }

  @Test("Integer inference answers as the model does, which stays as it was")
  func integers() throws {
    let stolen = try StolenModel.shared.get()
    let attack = try stolen.attack("int8")
    let before = try stolen.model()
    let digest = try before.weightDigest()
    let after = try attack.surrogate(
      of: before, data: stolen.data, session: TrainingSession(seed: 1))
    #expect(after.usesIntegers && !before.usesIntegers)
    #expect(try before.weightDigest() == digest)
    #expect(try stolen.survival(after) > 0.95)
    #expect(abs(try stolen.accuracy(after) - stolen.accuracy(before)) <= 0.03)
    // Floating-point arithmetic on the same weights gives other logits: the integers are no simulation.
    let floating = try after.surrogateCopy(on: .cpu)
    let images = try stolen.data.evaluator.normalization.prepare(
      stolen.data.train.images.narrow(0, start: 0, length: 20), on: .cpu)
    let (a, b) = try withoutGradients {
      (try after.logits(images, .evaluation), try floating.logits(images, .evaluation))
    }
    let difference = try (a - b).abs().max().item()
    let size = try b.abs().max().item()
    #expect(difference > 1e-4 && difference < 0.2 * size)
    #expect((attack as? any DescribedRemovalAttack)?.remark.contains("not simulated") == true)
  }

  @Test("Noise has the asked share of each tensor's deviation, and other seeds give other noise")
  func noise() throws {
    let stolen = try StolenModel.shared.get()
    let before = try stolen.model()
    let after = try stolen.surrogate("noise:strength=0.5")
    for (old, new) in zip(before.weightTensors, after.weightTensors) where old.count > 500 {
      let ratio =
        try (new.detach() - old.detach()).variance().sqrt().item()
        / old.detach().variance().sqrt().item()
      #expect(abs(ratio - 0.5) < 0.06)
    }
    #expect(
      try weightBytes(stolen.surrogate("noise", seed: 3))
        == weightBytes(stolen.surrogate("noise", seed: 3)))
    #expect(
      try weightBytes(stolen.surrogate("noise", seed: 4))
        != weightBytes(stolen.surrogate("noise", seed: 3)))
  }

  @Test("Shifting subtracts the mean of the filters")
  func shift() throws {
    let stolen = try StolenModel.shared.get()
    let before = try #require(stolen.checkpoint.weights["conv2.weight"])
    let after = try #require(
      try stolen.surrogate("shift:strength=1.5,noise=0").state["conv2.weight"]
    ).detach()
    let (old, new) = (try before.mean([0]).doubles(), try after.mean([0]).doubles())
    for (a, b) in zip(old, new) { #expect(abs(b + 0.5 * a) < 1e-5) }
    // With the noise the model is broken, and fine-tuning mends it.
    #expect(try stolen.accuracy(stolen.surrogate("shift")) < 0.6)
    let mended = try stolen.surrogate("shift+ftal:epochs=10,batch_size=16,learning_rate=0.02")
    #expect(try stolen.accuracy(mended) > 0.7)
  }

  @Test(
    "Permuted channels give the same logits from other weights",
    arguments: [
      Architecture(.smallCNN, width: 4, classes: 5, channels: 1),
      Architecture(.resNet8, width: 4, classes: 5, channels: 1),
      Architecture(.resNet18, width: 4, classes: 5, channels: 1),
      Architecture(.resNet34, stem: .imageNet, width: 2, classes: 5, channels: 1),
      Architecture(.vgg16, width: 4, classes: 5, channels: 1),
      Architecture(.vgg19, stem: .imageNet, width: 2, classes: 5, channels: 1),
    ])
  func permutation(architecture: Architecture) throws {
    let stolen = try StolenModel.shared.get()
    let model = try architecture.build(key: RandomKey(seed: 2))
    // Batch statistics that differ from channel to channel.
    let images = try RandomKey(seed: 3).normal([4, 1, 32, 32])
    for _ in 0..<2 { _ = try withoutGradients { try model.logits(images, .training) } }
    let permuted = try FeaturePermutation().surrogate(
      of: model, data: stolen.data, session: TrainingSession(seed: 3))
    let (a, b) = try withoutGradients {
      (
        try model.logits(images, .evaluation).doubles(),
        try permuted.logits(images, .evaluation).doubles()
      )
    }
    let scale = a.map(abs).max() ?? 1
    for (x, y) in zip(a, b) { #expect(abs(x - y) <= 1e-4 * scale + 1e-6) }
    // Every convolution and linear layer has moved.
    let moved = try zip(model.weightTensors, permuted.weightTensors).filter {
      try $0.detach().doubles() != $1.detach().doubles()
    }
    #expect(moved.count >= model.weightTensors.count - 1)
  }
}
