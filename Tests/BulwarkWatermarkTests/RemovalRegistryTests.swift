import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkWatermark

@Suite("Attacks by name")
struct RemovalRegistryTests {
  private let registry = RemovalRegistry.standard

  private func distillation(_ text: String) throws -> DistillationOptions {
    try #require(try registry.attack(text) as? Distillation).options
  }

  @Test(
    "A text of settings becomes an attack of that name; the group `training` need not be written")
  func settings() throws {
    let options = try distillation("distillation:width=8,temperature=1,epochs=3,labels=hard")
    #expect((options.width, options.temperature, options.training.epochs) == (8, 1, 3))
    #expect(options.labels == .hard)
    #expect(try registry.attack("distillation:width=8").name == "distillation:width=8")
    #expect(try distillation("distillation") == DistillationOptions())
    let prune = try #require(try registry.attack("prune:share=0.3,scope=global") as? WeightPruning)
    #expect((prune.options.share, prune.options.scope) == (0.3, .global))
  }

  @Test("Settings after a preset override it")
  func presets() throws {
    let options = try distillation("distillation-half-t20:temperature=10,image_share=0.5")
    #expect((options.widthShare, options.temperature) == (0.5, 10))
    #expect(options.training.imageShare == 0.5)
    #expect(try distillation("distillation-half-disjoint").training.images == .other)
    for preset in registry.presets { _ = try registry.attack(preset.text) }
  }

  @Test("Names joined by + become a chain, which runs its links in order")
  func chains() throws {
    let stolen = try StolenModel.shared.get()
    let chain = try #require(
      try registry.attack("prune-0.5+ftll:epochs=1,batch_size=50+quantize-4") as? RemovalChain)
    #expect(chain.links.map(\.name) == ["prune-0.5", "ftll:epochs=1,batch_size=50", "quantize-4"])
    #expect(chain.name == "prune-0.5+ftll:epochs=1,batch_size=50+quantize-4")
    let session = try TrainingSession(seed: 3)
    let pruned = try registry.attack("prune-0.5").surrogate(
      of: stolen.model(), data: stolen.data, session: session)
    let direct = try registry.attack("quantize-4").surrogate(
      of: pruned, data: stolen.data, session: session)
    let chained = try RemovalChain(Array([chain.links[0], chain.links[2]])).surrogate(
      of: stolen.model(), data: stolen.data, session: session)
    #expect(try weightBytes(chained) == weightBytes(direct))
  }

  @Test(
    "A mistake names the nearest valid name, or what was expected",
    arguments: [
      ("destillation", "did you mean 'distillation'?"),
      ("prune-0.55", "did you mean 'prune-0.5'?"),
      ("distillation:temprature=4", "did you mean 'temperature'?"),
      ("ftal:epoch=3", "did you mean 'epochs'?"),
      ("prune-0.5+ftla", "did you mean 'ftll'?"),
      ("xyz", "use one of: distillation"),
    ])
  func nearest(text: String, remedy: String) {
    let error = #expect(throws: RemovalError.self) { try registry.attack(text) }
    #expect(error?.remedy.contains(remedy) == true, "\(error?.remedy ?? "")")
    #expect(error?.category == .usage)
  }

  @Test(
    "Values that no attack can take are refused before anything runs",
    arguments: [
      "distillation:temperature=0", "distillation:alpha=1.5", "distillation:family=resnet99",
      "distillation:labels=loud", "distillation:views=0", "distillation:temperature",
      "distillation:jitter=1.5", "distillation:jitter=0.4,augment=false",
      "distillation:even_shading=-1",
      "prune:share=2",
      "quantize:bits=0", "int8:images=0", "int8+ftal", "prune-0.5+int8+quantize-4",
      "noise:strength=-1", "ftal:image_share=0", "ftal:momentum=1",
      "ftal:learning_rate=much", "fine_pruning:share=1", "adversarial:iterations=0",
      "adversarial:moved_share=0", "",
    ])
  func refused(text: String) {
    let error = #expect(throws: (any Error).self) { try registry.attack(text) }
    #expect((error as? any BulwarkError)?.category == .usage, "\(String(describing: error))")
  }

  @Test("Every suite consists of attacks that exist; disjoint images only where there are any")
  func suites() throws {
    for suite in RemovalSuite.allCases {
      for hasOther in [false, true] {
        let texts = suite.attacks(hasOtherImages: hasOther)
        #expect(Set(texts).count == texts.count)
        for text in texts { _ = try registry.attack(text) }
        let needsOther = texts.contains { $0.contains("disjoint") }
        #expect(needsOther == (hasOther && suite != .quick))
      }
    }
    let standard = RemovalSuite.standard.attacks(hasOtherImages: true)
    for bits in [8, 6, 5, 4] { #expect(standard.contains("quantize-\(bits)")) }
    for tenth in 1...9 { #expect(standard.contains("prune-0.\(tenth)")) }
  }

  @Test("A new attack plugs in by conforming to one protocol")
  func own() throws {
    struct Zeroing: RemovalAttack {
      let name: String
      let layers: [String: Int]
      func surrogate(of model: ImageClassifier, data: TrainingData, session: TrainingSession) throws
        -> ImageClassifier
      {
        let copy = try model.surrogateCopy(on: session.device)
        try withoutGradients { try copy.head.weight.fill(Double(layers["value"] ?? 0)) }
        return copy
      }
    }
    var registry = RemovalRegistry.standard
    registry.register("zero", summary: "zeroes the last layer", defaults: ["value": 0]) {
      layers, name, _ in Zeroing(name: name, layers: layers)
    }
    let stolen = try StolenModel.shared.get()
    let surrogate = try registry.attack("quantize-8+zero:value=2").surrogate(
      of: stolen.model(), data: stolen.data, session: TrainingSession(seed: 0))
    #expect(try surrogate.head.weight.detach().min().item() == 2)
    #expect(registry.names.contains("zero"))
  }
}
