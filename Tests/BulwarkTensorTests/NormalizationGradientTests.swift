import BulwarkTensor
import Testing

/// The one-pass normalization writes over an incoming gradient when nobody else can see it, and only
/// then: every way in which a gradient can be shared, against float64, which takes LibTorch's own
/// operations and writes over nothing.
@Suite struct NormalizationGradientTests {
  /// Who else holds the gradient that a normalization is given.
  enum Holder: CaseIterable {
    /// Nobody: the memory is used again.
    case nobody
    /// Another normalization: a sum hands one gradient to both.
    case otherBranch
    /// A leaf that was added to the output.
    case leaf
    /// A shortcut around the next layer, as in a residual block.
    case shortcut
    /// Two layers that the output went to.
    case twoUses
    /// The caller, who asked for the gradient of the output itself.
    case caller
    /// The caller, through a view of the output: the tensor is another, the memory the same.
    case callerThroughView
    /// The caller, who asked for the gradient of what is added before the ReLU.
    case callerOfSum
  }

  private func normalized(_ x: Tensor, adding other: Tensor? = nil, relu: Bool) throws -> Tensor {
    let type: DType = x.dtype == .float64 ? .float64 : .float32
    let channels = x.shape[1]
    func vector(_ value: Double) throws -> Tensor {
      try (Tensor.arange(channels).to(type) * 0.125 + value)
    }
    return try x.batchNorm(
      weight: vector(0.5), bias: vector(-0.5), runningMean: vector(0), runningVariance: vector(1),
      training: true, momentum: 0.1, epsilon: 1e-5, adding: other, relu: relu)
  }

  /// The gradients that a caller gets, for the leaves and for what he asked for besides.
  private func gradients(_ holder: Holder, _ type: DType, relu: Bool) throws -> [Tensor] {
    let shape = holder == .callerThroughView ? [33, 8, 1, 1] : [4, 8, 5, 3]
    let key = RandomKey(seed: 11)
    func leaf(_ name: String) throws -> Tensor {
      let tensor = try key.stream(name).normal(shape).channelsLast().to(type)
      try tensor.setRequiresGradient(true)
      return tensor
    }
    let (a, b) = (try leaf("a"), try leaf("b"))
    let pull = try key.stream("pull").normal(shape).channelsLast().to(type)
    let output = try normalized(a, relu: relu)
    var wanted = [a]
    var sum = output
    switch holder {
    case .nobody: break
    case .otherBranch:
      sum = try output + normalized(b, relu: relu)
      wanted.append(b)
    case .leaf:
      sum = try output + b
      wanted.append(b)
    case .shortcut:
      let inner = try normalized(output * b, relu: relu)
      sum = try normalized(inner, adding: output, relu: relu)
      wanted.append(b)
    case .twoUses: sum = try output * output + output
    case .caller: wanted.append(output)
    case .callerThroughView:
      sum = try output.reshape([33, 8])
      wanted.append(sum)
      return try (sum * pull.reshape([33, 8])).sum().gradients(of: wanted)
    case .callerOfSum:
      sum = try normalized(b, adding: output, relu: relu)
      wanted += [b, output]
    }
    return try (sum * pull).sum().gradients(of: wanted)
  }

  @Test(arguments: Holder.allCases, [false, true])
  func sharedGradientsAreLeftAlone(_ holder: Holder, relu: Bool) throws {
    let expected = try gradients(holder, .float64, relu: relu)
    let found = try gradients(holder, .float32, relu: relu)
    try #require(found.count == expected.count)
    for (index, pair) in zip(found, expected).enumerated() {
      let error = try (pair.0.to(.float64) - pair.1).norm().item() / pair.1.norm().item()
      #expect(error < 1e-5, "gradient \(index)")
    }
  }

  /// `gradient` of a leaf is kept between two passes: the second adds to it.
  @Test func collectedGradientsAdd() throws {
    let x = try RandomKey(seed: 3).normal([4, 8, 5, 3]).channelsLast()
    try x.setRequiresGradient(true)
    func pass() throws { try normalized(x, relu: true).square().sum().backward() }
    try pass()
    let once = try #require(try x.gradient()).clone()
    try pass()
    let twice = try #require(try x.gradient())
    #expect(try (twice - once * 2).norm().item() < 1e-5 * once.norm().item())
  }
}
