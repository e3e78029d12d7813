import BulwarkNN
import BulwarkTensor
import Testing

/// Forward, backward and optimizer steps of every classifier against the reference framework in
/// float64: relative error at most 1e-5 for every tensor.
@Suite struct NetworkNumericsTests {
  static let bound = 1e-5
  static let families = Architecture.Family.allCases.map(\.rawValue)
  static let rules = ["sgd", "nesterov", "adam", "adamw"]

  @Test(arguments: families + ["resnet18-imagenet", "vgg16_bn-imagenet"])
  func forwardAndBackward(_ name: String) throws {
    let fixture = try Fixture(name)
    let model = try fixture.classifier(stem: name.hasSuffix("imagenet") ? .imageNet : .cifar)
    #expect(try model.state.entries.map(\.name).joined(separator: "\n") == fixture.text("names"))
    let (images, labels) = try fixture.batch()

    let evaluated = try withoutGradients { try model.logits(images, .evaluation) }
    #expect(try Comparison.relativeError(evaluated, fixture["eval.logits"]) < Self.bound)

    let logits = try model.logits(images, .training)
    let loss = try logits.crossEntropy(labels)
    try loss.backward()
    #expect(try Comparison.relativeError(logits, fixture["train.logits"]) < Self.bound)
    #expect(
      try Comparison.relativeError(loss.reshape([1]), fixture["train.loss"]) < Self.bound)
    try expectGradients(of: model.state, fixture, prefix: "train.", below: Self.bound)
    try expectBuffers(of: model.state, fixture["train.buffers"])
    for entry in model.state.entries where entry.tensor.dtype == .int64 {
      #expect(try entry.tensor.integers() == [1])
    }
  }

  @Test func smallGradientsElementByElement() throws {
    let fixture = try Fixture("small_cnn")
    let model = try fixture.classifier()
    let (images, labels) = try fixture.batch()
    try model.logits(images, .training).crossEntropy(labels).backward()
    for entry in model.state.parameters {
      let gradient = try #require(try entry.tensor.gradient())
      let error = try Comparison.relativeError(gradient, fixture["gradient.\(entry.name)"])
      #expect(error < Self.bound, "\(entry.name): \(error)")
    }
  }

  @Test(arguments: families, rules)
  func optimizerSteps(_ family: String, _ rule: String) throws {
    let fixture = try Fixture("\(family)-steps")
    let model = try fixture.classifier(seed: "seed.\(rule)")
    let start = try model.state.parameters.map { try Comparison.Sketch.products(of: $0.tensor) }
    let optimizer = Self.optimizer(rule, model.state.parameters)
    for step in 0..<10 {
      let (images, labels) = try fixture.batch(seed: "seed.\(rule)", step: step)
      try model.state.clearGradients()
      try model.logits(images, .training).crossEntropy(labels).backward()
      try optimizer.step()
      guard step == 0 || step == 9 else { continue }
      let rows = try Comparison.Sketch.rows(fixture["\(rule).step\(step + 1)"])
      try #require(rows.count == start.count)
      for (index, entry) in model.state.parameters.enumerated() {
        let found = try Comparison.Sketch.products(of: entry.tensor)
        let error = rows[index].error(found)
        #expect(error < Self.bound, "\(entry.name) after step \(step + 1): \(error)")
        // Float32 rounds a weight by up to 6e-8 of itself, which is much of a small change.
        let change = Comparison.Sketch(
          products: zip(rows[index].products, start[index]).map { $0 - $1 },
          norm: rows[index].change, change: 0)
        let rounding = 1e-6 * rows[index].norm / rows[index].change
        let off = change.error(zip(found, start[index]).map { $0 - $1 })
        #expect(off < 1e-4 + rounding, "change of \(entry.name), step \(step + 1): \(off)")
      }
    }
    try expectBuffers(of: model.state, fixture["\(rule).buffers"])
  }

  /// The settings of `OPTIMIZERS` in numerics.py.
  static func optimizer(_ rule: String, _ parameters: [ParameterStore.Entry]) -> any Optimizer {
    switch rule {
    case "adam":
      Adam(parameters, learningRate: 2e-4, epsilon: 1e-3, weightDecay: 5e-2)
    case "adamw":
      Adam(
        parameters, learningRate: 2e-4, epsilon: 1e-3, weightDecay: 0.5, isDecoupled: true)
    default:
      SGD(
        parameters, learningRate: 2e-3, momentum: 0.9, weightDecay: 5e-2,
        nesterov: rule == "nesterov")
    }
  }

  @Test(arguments: [("nesterov", "sgd"), ("adam", "adamw"), ("adamw", "adam")])
  func anotherRuleIsNoticed(_ used: String, _ expected: String) throws {
    let fixture = try Fixture("small_cnn-steps")
    let model = try fixture.classifier(seed: "seed.\(expected)")
    let optimizer = Self.optimizer(used, model.state.parameters)
    let (images, labels) = try fixture.batch(seed: "seed.\(expected)")
    try model.logits(images, .training).crossEntropy(labels).backward()
    try optimizer.step()
    let rows = try Comparison.Sketch.rows(fixture["\(expected).step1"])
    let errors = try zip(rows, model.state.parameters).map {
      try $0.error(Comparison.Sketch.products(of: $1.tensor))
    }
    #expect(errors.contains { $0 > Self.bound })
  }

  private func expectGradients(
    of state: ParameterStore, _ fixture: Fixture, prefix: String, below bound: Double
  ) throws {
    let rows = try Comparison.Sketch.rows(fixture["\(prefix)gradients"])
    try #require(rows.count == state.parameters.count)
    let whole = rows.reduce(0) { $0 + $1.norm * $1.norm }.squareRoot()
    for (row, entry) in zip(rows, state.parameters) {
      let gradient = try #require(try entry.tensor.gradient())
      // A bias in front of a normalization has gradient 0; see numerics.py.
      let scale = row.norm < 1e-9 * whole ? whole : row.norm
      let error = row.error(try Comparison.Sketch.products(of: gradient), scale: scale)
      #expect(error < bound, "gradient of \(entry.name): \(error)")
    }
  }

  private func expectBuffers(of state: ParameterStore, _ expected: Tensor) throws {
    let buffers = state.entries.filter { !$0.isTrainable && $0.tensor.rank > 0 }
    let rows = try Comparison.Sketch.rows(expected)
    try #require(rows.count == buffers.count)
    for (row, entry) in zip(rows, buffers) {
      let error = row.error(try Comparison.Sketch.products(of: entry.tensor))
      #expect(error < Self.bound, "\(entry.name): \(error)")
    }
  }
}
