import BulwarkTensor
import Testing

/// The one-pass normalization against LibTorch's own operations, which float64 takes.
@Suite struct NormalizationTests {
  private struct Outcome {
    var output: Tensor
    var gradients: [Tensor]
    var running: [Tensor]
  }

  private func run(
    _ shape: [Int], _ type: DType, training: Bool, adds: Bool, relu: Bool
  ) throws -> Outcome {
    let key = RandomKey(seed: 4)
    let channels = shape[1]
    let parameters: DType = type == .float64 ? .float64 : .float32
    func vector(_ name: String, _ start: Double) throws -> Tensor {
      try (key.stream(name).uniform([channels]) + start).to(parameters)
    }
    // Rounded to bfloat16, so that every type starts from the same numbers.
    func image(_ name: String) throws -> Tensor {
      try (key.stream(name).normal(shape) * 2 + 3).to(.bfloat16).to(type).channelsLast()
    }
    let leaves =
      try [image("x"), vector("weight", 0.5), vector("bias", -0.5)]
      + (adds ? [image("residual") - 3] : [])
    let inputs = try leaves.map { try $0.detach() }
    for leaf in inputs { try leaf.setRequiresGradient(true) }
    let running = try [vector("mean", 2), vector("variance", 3)]
    let output = try inputs[0].batchNorm(
      weight: inputs[1], bias: inputs[2], runningMean: running[0], runningVariance: running[1],
      training: training, momentum: 0.1, epsilon: 1e-5, adding: adds ? inputs[3] : nil, relu: relu)
    let pull = try key.stream("pull").normal(shape).to(.bfloat16).to(type)
    let gradients = try (output * pull).to(parameters).sum().gradients(of: inputs)
    return Outcome(output: output, gradients: gradients, running: running)
  }

  private func error(_ found: Tensor, _ expected: Tensor) throws -> Double {
    try (found.to(.float64) - expected).norm().item() / expected.norm().item()
  }

  @Test(arguments: [[4, 3, 5, 7], [8, 16, 8, 8], [2, 40, 3, 3], [33, 8, 1, 1]], [true, false])
  func agreesWithLibTorch(_ shape: [Int], _ training: Bool) throws {
    for (adds, relu) in [(false, false), (false, true), (true, false), (true, true)] {
      let expected = try run(shape, .float64, training: training, adds: adds, relu: relu)
      for (type, bound) in [(DType.float32, 1e-5), (.bfloat16, 2e-2)] {
        let found = try run(shape, type, training: training, adds: adds, relu: relu)
        #expect(found.output.dtype == type && found.output.shape == shape)
        let what = "\(type) adds \(adds) relu \(relu)"
        #expect(try error(found.output, expected.output) < bound, "\(what)")
        for (index, pair) in zip(found.gradients, expected.gradients).enumerated() {
          #expect(try error(pair.0, pair.1) < bound, "gradient \(index), \(what)")
        }
        for (a, b) in zip(found.running, expected.running) {
          #expect(try error(a, b) < 1e-6, "running statistics, \(what)")
        }
      }
    }
  }

  @Test func inputsAreLeftAlone() throws {
    let x = try RandomKey(seed: 1).normal([4, 8, 4, 4]).channelsLast()
    let before = try x.floats()
    let one = try Tensor.ones([8])
    _ = try x.batchNorm(
      weight: one, bias: one, runningMean: Tensor.zeros([8]), runningVariance: one.clone(),
      training: true, momentum: 0.1, epsilon: 1e-5, adding: x, relu: true)
    #expect(try x.floats() == before)
  }

  /// Large means beside small deviations lose no more than float32 has to.
  @Test func largeMeans() throws {
    let x = try (RandomKey(seed: 1).normal([64, 8, 8, 8]) + 1000).channelsLast()
    let (zero, one) = (try Tensor.zeros([8]), try Tensor.ones([8]))
    let y = try x.batchNorm(
      weight: one, bias: zero, runningMean: zero.clone(), runningVariance: one.clone(),
      training: true, momentum: 0.1, epsilon: 1e-5)
    #expect(try abs(y.mean().item()) < 1e-4)
    #expect(try abs(y.variance().item() - 1) < 1e-3)
  }

  /// Sums are divided by rows and not by threads, and every row has one writer.
  @Test func threadsChangeNothing() throws {
    let runtime = try Runtime.shared()
    let before = try runtime.threadCount()
    defer { try? runtime.setThreadCount(before) }
    func bytes(threads: Int) throws -> [[Float]] {
      try runtime.setThreadCount(threads)
      let found = try run([16, 8, 16, 16], .float32, training: true, adds: true, relu: true)
      return try ([found.output] + found.gradients + found.running).map { try $0.floats() }
    }
    let alone = try bytes(threads: 1)
    for threads in [2, 3, 7] { #expect(try bytes(threads: threads) == alone, "\(threads) threads") }
  }
}
