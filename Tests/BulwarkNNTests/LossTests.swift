import BulwarkNN
import BulwarkTensor
import Testing

/// Values and gradients of every loss against the reference framework in float64.
@Suite struct LossTests {
  private func compare(
    _ name: String, inputs: [String], _ loss: ([Tensor], Fixture) throws -> Tensor
  ) throws {
    let fixture = try Fixture("losses")
    let leaves = try inputs.map { try fixture[$0].clone() }
    for leaf in leaves { try leaf.setRequiresGradient(true) }
    let value = try loss(leaves, fixture)
    let expected = try fixture["\(name).value"]
    #expect(value.shape == expected.shape)
    let error = try Comparison.relativeError(value, expected)
    #expect(error < 1e-5, "\(name): \(error)")
    try value.mean().backward()
    for (index, leaf) in leaves.enumerated() {
      let gradient = try #require(try leaf.gradient())
      let error = try Comparison.relativeError(gradient, fixture["\(name).gradient\(index)"])
      #expect(error < 1e-5, "gradient \(index) of \(name): \(error)")
    }
  }

  @Test func crossEntropy() throws {
    try compare("ce", inputs: ["logits"]) { try $0[0].crossEntropy($1["labels"]) }
    try compare("ce_each", inputs: ["logits"]) {
      try $0[0].crossEntropy($1["labels"], perSample: true)
    }
    try compare("smooth", inputs: ["logits"]) {
      try $0[0].crossEntropy($1["labels"], labelSmoothing: 0.1)
    }
    try compare("soft_targets", inputs: ["logits"]) { try $0[0].crossEntropy($1["soft"]) }
  }

  @Test func symmetricCrossEntropy() throws {
    try compare("sce_each", inputs: ["logits"]) {
      try SymmetricCrossEntropy().perSample($0[0], $1["labels"])
    }
    try compare("sce", inputs: ["logits"]) { try SymmetricCrossEntropy()($0[0], $1["labels"]) }
  }

  @Test func symmetricCrossEntropyWherePredictionsAreClamped() throws {
    // The fixture's gradient is with respect to ten times the logits.
    let fixture = try Fixture("losses")
    let logits = try (fixture["logits"] * 10).detach()
    try logits.setRequiresGradient(true)
    let value = try SymmetricCrossEntropy(alpha: 1, beta: 0.5).perSample(
      logits, fixture["labels"])
    #expect(try Comparison.relativeError(value, fixture["sce_far.value"]) < 1e-5)
    try value.mean().backward()
    let gradient = try #require(try logits.gradient())
    #expect(try Comparison.relativeError(gradient, fixture["sce_far.gradient0"]) < 1e-5)
  }

  @Test func contrastiveLoss() throws {
    for (name, isSymmetric) in [("nt_xent", false), ("nt_xent_symmetric", true)] {
      try compare(name, inputs: ["first", "second"]) { leaves, _ in
        try NTXent(temperature: 0.5, isSymmetric: isSymmetric)(leaves[0], leaves[1])
      }
    }
  }

  /// Equation 1 of the paper, term by term, on the host.
  @Test(arguments: [false, true]) func contrastiveLossEqualsTheLoop(_ isSymmetric: Bool) throws {
    let (n, d, temperature) = (5, 4, 0.2)
    let key = RandomKey(seed: 2)
    let first = try key.stream("a").normal([n, d]).normalized()
    let second = try key.stream("b").normal([n, d]).normalized()
    let z = try Tensor.cat([first, second]).doubles()
    func similarity(_ i: Int, _ j: Int) -> Double {
      (0..<d).reduce(0) { $0 + z[i * d + $1] * z[j * d + $1] } / temperature
    }
    let anchors = isSymmetric ? 2 * n : n
    var total = 0.0
    for i in 0..<anchors {
      let all = (0..<2 * n).filter { $0 != i }.reduce(0) { $0 + exponential(similarity(i, $1)) }
      total -= logarithm(exponential(similarity(i, (i + n) % (2 * n))) / all)
    }
    let found = try NTXent(temperature: temperature, isSymmetric: isSymmetric)(first, second)
    #expect(abs(try found.item() - total / Double(anchors)) < 1e-5)
  }

  /// The two losses of MixMatch are compositions of tensor operations.
  @Test func mixMatch() throws {
    try compare("mixmatch_x", inputs: ["logits"]) { try $0[0].crossEntropy($1["soft"]) }
    try compare("mixmatch_u", inputs: ["guesses"]) {
      try ($0[0].softmax(1) - $1["soft"]).square().mean()
    }
  }
}
