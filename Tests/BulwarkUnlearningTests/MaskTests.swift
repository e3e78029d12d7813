import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkUnlearning

@Suite("The saliency mask")
struct MaskTests {
  private let scores: [(name: String, tensor: Tensor)]

  init() throws {
    let key = RandomKey(seed: 3)
    // Few distinct values, so that ties are everywhere.
    let tied = try (key.stream("c").uniform([5, 2, 3, 3]) * 4).floor() - 2
    scores = [
      ("a", try key.stream("a").normal([7, 5])), ("b", try key.stream("b").normal([11]) * 1e-6),
      ("c", tied),
    ]
  }

  /// What is selected when all magnitudes are sorted, the earlier of equals first.
  private func sorted(_ count: Int) throws -> [Bool] {
    let magnitudes = try scores.flatMap { try $0.tensor.floats() }.map(abs)
    let order = magnitudes.indices.sorted { (-magnitudes[$0], $0) < (-magnitudes[$1], $1) }
    var isKept = [Bool](repeating: false, count: magnitudes.count)
    for index in order.prefix(count) { isKept[index] = true }
    return isKept
  }

  private func flat(_ mask: ParameterMask) throws -> [Bool] {
    try mask.tensors.flatMap { try $0.tensor.bytes().map { $0 == 1 } }
  }

  @Test("A mask holds floor(N · r) weights, also where the product of the doubles is a little less")
  func count() throws {
    let gradients = [(name: "w", tensor: try RandomKey(seed: 1).uniform([100]))]
    for (ratio, count) in [(0.29, 29), (0.57, 57), (0.5, 50), (0.555, 55), (0, 0), (1, 100)] {
      for kind in [MaskOptions.Kind.saliency, .inverted, .random] {
        let mask = try SaliencyMask.mask(
          kind, ratio: ratio, gradients: gradients, key: RandomKey(seed: 2))
        #expect(try mask?.count() == count, "\(kind) \(ratio)")
      }
    }
  }

  @Test("It keeps exactly the k largest magnitudes of all weights together, at every k")
  func exact() throws {
    let total = scores.reduce(0) { $0 + $1.tensor.count }
    for count in 0...total {
      let mask = try ParameterMask(keeping: count, of: scores)
      #expect(try flat(mask) == sorted(count), "k \(count)")
      #expect(try mask.count() == count)
    }
  }

  @Test("Saliency, random and inverted masks all hold floor(N · r) weights; ratio 1 holds all")
  func counts() throws {
    let total = scores.reduce(0) { $0 + $1.tensor.count }
    for tenth in 0...10 {
      let ratio = Double(tenth) / 10
      for kind in [MaskOptions.Kind.saliency, .random, .inverted] {
        let mask = try #require(
          try SaliencyMask.mask(kind, ratio: ratio, gradients: scores, key: RandomKey(seed: 1)))
        #expect(try mask.count() == Int(Double(total) * ratio), "\(kind) \(ratio)")
        #expect(mask.total == total)
      }
    }
  }

  @Test("The inverted mask holds the least salient weights, the random one neither")
  func controls() throws {
    func mask(_ kind: MaskOptions.Kind, seed: UInt64 = 1) throws -> [Bool] {
      try flat(
        #require(
          try SaliencyMask.mask(kind, ratio: 0.5, gradients: scores, key: RandomKey(seed: seed))))
    }
    let (salient, inverted) = (try mask(.saliency), try mask(.inverted))
    // 136 weights: the two halves share none.
    #expect(zip(salient, inverted).allSatisfy { $0 != $1 })
    #expect(try mask(.random) != salient)
    #expect(try mask(.random) != mask(.random, seed: 2))
    #expect(try mask(.random) == mask(.random))
  }

  @Test("A saliency that is not finite is an error that names the layer")
  func notFinite() throws {
    let broken = scores + [(name: "layer", tensor: try Tensor([Float.nan, 1]))]
    #expect(throws: UnlearningError.notFinite("saliency", at: "in layer")) {
      try ParameterMask(keeping: 3, of: broken)
    }
  }

  @Test("Gradients are summed over batches before the absolute value, in evaluation mode")
  func gradients() throws {
    let victim = try Victim.shared.get()
    let model = try ImageClassifier.restored(from: victim.original)
    let before = try bytes(model)
    let session = try TrainingSession(seed: 0)
    let members = Array(0..<20)
    func sums(batchSize: Int) throws -> [Float] {
      try SaliencyMask.gradients(
        model, victim.train, members: members, batchSize: batchSize, key: RandomKey(seed: 0),
        session: session
      ) { pixels, _ in try victim.normalization.prepare(pixels, on: .cpu) }
      .flatMap { try $0.tensor.floats() }
    }
    // In evaluation mode the mean over one batch of 20 is half the sum of the means of two of 10.
    let (one, two) = (try sums(batchSize: 20), try sums(batchSize: 10))
    let scale = one.map(abs).max() ?? 0
    #expect(scale > 0)
    for (a, b) in zip(one, two) { #expect(abs(2 * a - b) < 1e-4 * scale) }
    #expect(try bytes(model) == before)
  }

  @Test("A random mask follows from the shapes alone: no image is looked at for it")
  func randomNeedsNoGradients() throws {
    let victim = try Victim.shared.get()
    let task = try victim.input()
    // Views that do not fit the images: whoever looks at one through them fails.
    let input = UnlearningInput(
      train: task.train, forgetSet: task.forgetSet, normalization: task.normalization,
      views: [.padCrop(PadCrop(padding: 100))])
    var options = UnlearningOptions.small
    options.salun.training.augment = false
    func run(_ kind: MaskOptions.Kind) throws -> Unlearner {
      let run = try Unlearner(
        .salun, options: options, mask: MaskOptions(kind: kind, batchSize: 10),
        original: victim.original, originalDigest: "sha256:0", input: input,
        session: TrainingSession(seed: 4))
      try run.run()
      return run
    }
    #expect(throws: DataError.self) { try run(.saliency) }
    let random = try run(.random)
    let expected = try SaliencyMask.mask(
      .random, ratio: 0.5,
      gradients: random.model.state.parameters.map {
        (name: $0.name, tensor: try Tensor.zeros($0.tensor.shape))
      }, key: RandomKey(seed: 4).stream("mask").stream("random"))
    #expect(try flat(#require(random.mask)) == flat(#require(expected)))
  }

  @Test("A mask of some samples draws them from the forget set; of none or too many, all")
  func samples() throws {
    let forget = Array(stride(from: 3, to: 90, by: 3))
    func members(_ samples: Int, seed: UInt64 = 1) throws -> [Int] {
      try MaskOptions(samples: samples).members(forget, key: RandomKey(seed: seed))
    }
    let some = try members(10)
    #expect(some.count == 10 && Set(some).isSubset(of: forget) && some == some.sorted())
    #expect(try members(10) == some)
    #expect(try members(10, seed: 2) != some)
    #expect(try members(0) == forget && members(forget.count + 1) == forget)
  }

  @Test("A run takes its mask from as many samples as its settings say")
  func samplesOfRun() throws {
    let victim = try Victim.shared.get()
    func mask(_ samples: Int) throws -> [Bool] {
      let run = try victim.unlearner(.salun, mask: MaskOptions(batchSize: 10, samples: samples))
      try run.run()
      return try flat(#require(run.mask))
    }
    let (all, none, some) = (try mask(25), try mask(0), try mask(5))
    #expect(all == none)
    #expect(some != all && some.count { $0 } == all.count { $0 })
  }
}

@Suite("Exact freezing")
struct MaskedOptimizerTests {
  /// A store of two parameters with gradients that change from step to step.
  private func store() throws -> ParameterStore {
    let store = ParameterStore(key: RandomKey(seed: 1))
    _ = try (store.root / "a").parameter([6, 4], .normal(1))
    _ = try (store.root / "b").parameter([5], .normal(1))
    return store
  }

  private func descend(_ store: ParameterStore, _ optimizer: any Optimizer, steps: Int) throws {
    for step in 0..<steps {
      try store.clearGradients()
      let parts = try store.parameters.map { entry in
        try (entry.tensor * RandomKey(seed: 2).step(step).normal(entry.tensor.shape)).sum()
          .reshape([1])
      }
      try Tensor.cat(parts).sum().backward()
      try optimizer.step()
    }
  }

  private func snapshot(_ store: ParameterStore) throws -> StateDict {
    StateDict(try store.snapshot().map { ($0.name, $0.tensor) })
  }

  @Test("Outside the mask not one bit moves; inside, every bit is that of the plain optimizer")
  func freezes() throws {
    let makers: [(String, (ParameterStore) -> any Optimizer)] = [
      ("SGD", { SGD($0.parameters, learningRate: 0.1, momentum: 0.9, weightDecay: 0.1) }),
      ("Adam", { Adam($0.parameters, learningRate: 0.1, weightDecay: 0.1) }),
      (
        "AdamW",
        { Adam($0.parameters, learningRate: 0.1, weightDecay: 0.1, isDecoupled: true) }
      ),
    ]
    for (name, make) in makers {
      let (plain, frozen) = (try store(), try store())
      let before = try snapshot(frozen)
      let mask = try ParameterMask(
        keeping: 14,
        of: frozen.parameters.map { ($0.name, try RandomKey(seed: 9).uniform($0.tensor.shape)) })
      try descend(plain, make(plain), steps: 5)
      let masked = try MaskedOptimizer(make(frozen), parameters: frozen.parameters, mask: mask)
      try descend(frozen, masked, steps: 5)
      let (free, after) = (try snapshot(plain), try snapshot(frozen))
      #expect(try mask.largestMovementOutside(from: before, to: after) == 0, "\(name)")
      // The measure does see what a plain optimizer does there.
      #expect(try mask.largestMovementOutside(from: before, to: free) > 0.01, "\(name)")
      for entry in mask.tensors {
        let allowed = try entry.tensor.bytes()
        let numbers = try [before, free, after].map { try #require($0[entry.name]).floats() }
        for (index, isAllowed) in allowed.enumerated() {
          let expected = numbers[isAllowed == 1 ? 1 : 0][index]
          #expect(numbers[2][index].bitPattern == expected.bitPattern, "\(name) \(entry.name)")
        }
      }
      for slot in masked.state where slot.tensor.rank > 0 {
        let parameter = String(slot.name.prefix { $0 != "." })
        let outside = try #require(mask.tensors[parameter]).not().to(.float32)
        #expect(try (slot.tensor.abs() * outside).max().item() == 0, "\(slot.name)")
      }
    }
  }
}
