import BulwarkTensor
import Foundation
import Testing

/// Calls every entry of the shim once, and every entry that can fail once with input it refuses.
@Suite struct ShimEntryTests {
  /// Names of `F(name, …)` lines in the two headers.
  private static func declaredEntries() throws -> Set<String> {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    var names: Set<String> = []
    for header in ["ctorch.h", "ctorch_extra.h"] {
      let url = root.appendingPathComponent("Sources/CTorch/include/\(header)")
      for line in try String(contentsOf: url, encoding: .utf8).split(separator: "\n") {
        let text = line.drop { $0 == " " }
        guard text.hasPrefix("F("), let comma = text.firstIndex(of: ",") else { continue }
        names.insert(String(text[text.index(text.startIndex, offsetBy: 2)..<comma]))
      }
    }
    return names
  }

  @Test func everyEntryIsCalled() throws {
    let called = Set(Self.calls.map(\.0))
    let declared = try Self.declaredEntries()
    #expect(declared.count > 60)
    #expect(declared.subtracting(called).sorted() == [])
    #expect(called.subtracting(declared).sorted() == [])
  }

  @Test(arguments: calls.indices) func works(_ index: Int) throws {
    let (name, body) = Self.calls[index]
    #expect(try body(), "\(name)")
  }

  @Test(arguments: refusals.indices) func refusesWithATypedError(_ index: Int) throws {
    let (name, body) = Self.refusals[index]
    let error = #expect(throws: TensorError.self, "\(name)") { try body() }
    guard case .operation(let text)? = error else {
      Issue.record("\(name): \(String(describing: error))")
      return
    }
    #expect(!text.isEmpty && error?.causes == [text], "\(name)")
  }

  // MARK: What is called

  private static func vector(_ values: Float...) throws -> Tensor { try Tensor(values) }
  private static func matrix() throws -> Tensor {
    try Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3])
  }
  private static func image() throws -> Tensor {
    try Tensor.arange(16, dtype: .float32).reshape([1, 1, 4, 4])
  }
  private static func leaf(_ values: Float...) throws -> Tensor {
    let tensor = try Tensor(values)
    try tensor.setRequiresGradient(true)
    return tensor
  }

  /// Inputs and outputs whose integers are the values themselves.
  private static let unitSteps = LayerRanges(input: 0...127, output: 0...255)

  typealias Call = (String, @Sendable () throws -> Bool)

  static let calls: [Call] = process + handles + autograd + arithmetic + shapes + layers + draws

  private static let process: [Call] = [
    // Sets what is set already: other tests run at the same time.
    (
      "set_threads",
      {
        try Runtime.shared().setThreadCount(Runtime.shared().threadCount())
        return true
      }
    ),
    ("get_threads", { try Runtime.shared().threadCount() > 0 }),
    (
      "torch_version",
      { try Runtime.shared().threadCount() > 0 && Runtime.expectedVersion == "2.11.0" }
    ),
    (
      "cpu_features",
      {
        _ = try Runtime.shared().cpuHasFastBFloat16(); return true
      }
    ),
    ("keep_large_blocks", { try Tensor.zeros([1 << 22]).count == 1 << 22 }),
    ("cuda_load", { try Runtime.shared().cudaDeviceCount() >= 0 }),
    (
      "synchronize",
      {
        try Runtime.shared().synchronize(.cpu); return true
      }
    ),
  ]

  private static let handles: [Call] = [
    ("empty", { try Tensor.empty([2, 3]).shape == [2, 3] }),
    ("full", { try Tensor.full([2], 7).floats() == [7, 7] }),
    ("arange", { try Tensor.arange(3).integers() == [0, 1, 2] }),
    (
      "free",
      {
        for _ in 0..<100 { _ = try Tensor.zeros([1 << 20]) }; return true
      }
    ),
    ("alias", { try Tensor([1, 2], shape: [2]).integers() == [1, 2] }),
    ("rank", { try matrix().rank == 2 }),
    ("shape", { try matrix().shape == [2, 3] }),
    ("dtype", { try DType.allCases.allSatisfy { try Tensor.zeros([1], dtype: $0).dtype == $0 } }),
    ("device", { try matrix().device == .cpu }),
    (
      "data",
      {
        try Tensor.filled([2], dtype: .uint8) {
          $0[1] = 9; $0[0] = 1
        }.bytes() == [1, 9]
      }
    ),
    ("item", { try vector(5).item() == 5 }),
    ("to_dtype", { try vector(1.9, -1.9).to(.int32).integers() == [1, -1] }),
    ("to_device", { try vector(1).to(.cpu).floats() == [1] }),
    (
      "contiguous",
      {
        let x = try Tensor.arange(24).reshape([1, 2, 3, 4])
        return try x.channelsLast().integers() == Array(0..<24) && x.contiguous().shape == x.shape
      }
    ),
    (
      "clone",
      {
        let a = try vector(1); try a.clone().fill(2); return try a.item() == 1
      }
    ),
    ("detach", { try !leaf(1).detach().requiresGradient }),
    (
      "copy_into",
      {
        let a = try vector(0, 0); try a.copy(from: vector(1, 2)); return try a.floats() == [1, 2]
      }
    ),
    (
      "fill",
      {
        let a = try vector(0, 0); try a.fill(3); return try a.floats() == [3, 3]
      }
    ),
    (
      "lerp_into",
      {
        let a = try vector(0, 4)
        try a.lerp(towards: vector(1, 0), weight: 0.25)
        return try a.floats() == [0.25, 3]
      }
    ),
    (
      "set_layout",
      {
        let x = try Tensor.arange(16).reshape([1, 2, 2, 4]).clone()
        try x.setChannelsLast()
        return try x.integers() == Array(0..<16)
      }
    ),
  ]

  private static let autograd: [Call] = [
    ("set_requires_grad", { try leaf(1).requiresGradient }),
    ("requires_grad", { try !vector(1).requiresGradient }),
    ("grad", { try vector(1).gradient() == nil }),
    (
      "clear_grad",
      {
        let x = try leaf(2)
        try x.square().sum().backward()
        let before = try x.gradient()?.floats()
        try x.clearGradient()
        return try before == [4] && x.gradient() == nil
      }
    ),
    (
      "backward",
      {
        let x = try leaf(2, 3)
        try x.square().sum().backward()
        try x.square().sum().backward()
        return try x.gradient()?.floats() == [8, 12]
      }
    ),
    (
      "gradients",
      {
        let (x, y) = (try leaf(2), try leaf(3))
        let found = try (x * y).sum().gradients(of: [x, y]).map { try $0.floats() }
        return try found == [[3], [2]] && x.gradient() == nil
      }
    ),
    (
      "set_grad_mode",
      {
        let x = try leaf(1); return try withoutGradients { try !(x * 2).requiresGradient }
      }
    ),
    (
      "set_autocast",
      {
        let a = try Tensor.ones([2, 2])
        let inside = try withAutocast(true, on: .cpu) { try a.matmul(a).dtype }
        return try inside == .bfloat16 && a.matmul(a).dtype == .float32
      }
    ),
    (
      "fused_sgd",
      {
        let w = try vector(1)
        try FusedSteps.sgd(
          parameters: [w], gradients: [vector(2)], momenta: [], learningRate: 0.25, momentum: 0,
          weightDecay: 0, nesterov: false, isFirst: true)
        return try w.floats() == [0.5]
      }
    ),
    (
      "fused_adam",
      {
        let (w, step) = (try vector(1), try Tensor.zeros([]))
        try FusedSteps.adam(
          parameters: [w], gradients: [vector(2)], averages: [vector(0)], squares: [vector(0)],
          steps: [step], learningRate: 0.5, beta1: 0.9, beta2: 0.999, epsilon: 0, weightDecay: 0,
          decoupled: false)
        // The first step of Adam has the size of the learning rate.
        return try Swift.abs(w.item() - 0.5) < 1e-6 && step.item() == 1
      }
    ),
  ]

  private static let arithmetic: [Call] = [
    ("unary", { try vector(4).sqrt().item() == 2 }),
    ("binary", { try (vector(1, 2) + vector(10)).floats() == [11, 12] }),
    ("binary_scalar", { try (3 - vector(1, 2)).floats() == [2, 1] }),
    ("clamp", { try vector(-1, 5).clamp(min: 0, max: 2).floats() == [0, 2] }),
    (
      "where",
      { try vector(1, 2).where(vector(1, 2).gt(1), else: vector(0, 0)).floats() == [0, 2] }
    ),
    ("reduce", { try matrix().sum([0]).floats() == [5, 7, 9] }),
    ("argmax", { try matrix().argmax(1).integers() == [2, 2] }),
    ("argsort", { try vector(2, 1, 2, 0).argsort(0).integers() == [3, 1, 0, 2] }),
    (
      "top_k",
      {
        let top = try vector(1, 9, 5).topK(2);
        return try top.values.floats() == [9, 5] && top.indices.integers() == [1, 2]
      }
    ),
    (
      "eigh",
      {
        let (values, vectors) = try Tensor([2, 1, 1, 2] as [Float], shape: [2, 2]).symmetricEigen()
        let parts = try vectors.doubles().map { Swift.abs($0) }
        return try zip(values.floats(), [1, 3]).allSatisfy { Swift.abs($0 - $1) < 1e-6 }
          && parts.allSatisfy { Swift.abs($0 - 0.5.squareRoot()) < 1e-6 }
      }
    ),
    ("cumsum", { try vector(1, 2, 3).cumsum(0).floats() == [1, 3, 6] }),
    ("softmax", { try vector(0, 0).softmax(0).floats() == [0.5, 0.5] }),
  ]

  private static let shapes: [Call] = [
    ("reshape", { try matrix().reshape([3, -1]).shape == [3, 2] }),
    ("permute", { try matrix().permute([1, 0]).floats() == [1, 4, 2, 5, 3, 6] }),
    ("expand", { try vector(1).expand([3]).floats() == [1, 1, 1] }),
    ("narrow", { try matrix().narrow(1, start: 1, length: 2).floats() == [2, 3, 5, 6] }),
    ("flip", { try matrix().flip([0]).floats() == [4, 5, 6, 1, 2, 3] }),
    ("roll", { try vector(1, 2, 3).roll(1, dim: 0).floats() == [3, 1, 2] }),
    ("cat", { try Tensor.cat([vector(1), vector(2, 3)]).floats() == [1, 2, 3] }),
    ("stack", { try Tensor.stack([vector(1), vector(2)]).shape == [2, 1] }),
    ("index_select", { try matrix().indexSelect(0, Tensor([1, 0, 1])).shape == [3, 3] }),
    ("gather", { try matrix().gather(1, Tensor([2, 0], shape: [2, 1])).floats() == [3, 4] }),
    (
      "scatter",
      {
        try matrix().scatter(
          1, Tensor([0, 2], shape: [2, 1]), Tensor([8, 9] as [Float], shape: [2, 1])
        )
        .floats() == [8, 2, 3, 4, 5, 9]
      }
    ),
    ("one_hot", { try Tensor([1, 0]).oneHot(2).floats() == [0, 1, 1, 0] }),
    ("nonzero", { try vector(0, 3, 0, 1).nonzero().integers() == [1, 3] }),
  ]

  private static let layers: [Call] = [
    ("matmul", { try matrix().matmul(matrix().transpose(0, 1)).floats() == [14, 32, 32, 77] }),
    (
      "linear",
      { try matrix().linear(weight: Tensor.ones([1, 3]), bias: vector(1)).floats() == [7, 16] }
    ),
    (
      "conv2d",
      {
        try image().conv2d(weight: Tensor.ones([1, 1, 2, 2]), stride: 2).floats() == [
          10, 18, 42, 50,
        ]
      }
    ),
    (
      "batch_norm",
      {
        let y = try image().batchNorm(
          weight: nil, bias: nil, runningMean: nil, runningVariance: nil, training: true,
          momentum: 0.1, epsilon: 1e-5)
        return try Swift.abs(y.mean().item()) < 1e-6 && Swift.abs(y.variance().item() - 1) < 1e-4
      }
    ),
    ("max_pool2d", { try image().maxPool2d(kernel: 2, stride: 2).floats() == [5, 7, 13, 15] }),
    (
      "adaptive_avg_pool2d",
      { try image().adaptiveAveragePool2d(height: 1, width: 1).item() == 7.5 }
    ),
    (
      "cross_entropy",
      { try Swift.abs(Tensor.zeros([1, 4]).crossEntropy(Tensor([2])).item() - 1.386294) < 1e-5 }
    ),
    (
      "pad",
      {
        try image().pad(left: 1, right: 0, top: 0, bottom: 2, mode: .reflect).shape == [1, 1, 6, 5]
      }
    ),
    (
      "grid_sample",
      { try image().gridSample(Tensor.zeros([1, 1, 1, 2]), alignCorners: true).item() == 7.5 }
    ),
    (
      "interpolate",
      { try image().interpolate(height: 2, width: 2, antialias: true).shape == [1, 1, 2, 2] }
    ),
    (
      "augment",
      {
        // No steps: the bytes become 0...1.
        let images = try Tensor([0, 255, 51, 102] as [UInt8], shape: [1, 1, 2, 2])
        return try images.augmented(program: [], constants: [], parameters: Tensor.zeros([0, 1]))
          .floats() == [0, 1, 0.2, 0.4]
      }
    ),
    ("integer_weights", { try matrix().integerWeights().shape == [2, 3] }),
    (
      "integer_conv2d",
      {
        let found = try image().integerConv2d(weight: Tensor.ones([1, 1, 1, 1]), ranges: unitSteps)
        return try zip(found.floats(), image().floats()).allSatisfy { abs($0 - $1) < 1e-3 }
      }
    ),
    (
      "integer_linear",
      {
        let found = try matrix().integerLinear(weight: Tensor.ones([1, 3]), ranges: unitSteps)
        return try zip(found.floats(), [6, 15]).allSatisfy { abs($0 - $1) < 1e-3 }
      }
    ),
  ]

  private static let draws: [Call] = [
    ("random_uniform", { try RandomKey(seed: 1).uniform([3]).shape == [3] }),
    ("random_normal", { try RandomKey(seed: 1).normal([3]).dtype == .float32 }),
    (
      "random_integers", { try RandomKey(seed: 1).integers([3], below: 1).integers() == [0, 0, 0] }
    ),
    ("random_permutation", { try RandomKey(seed: 1).permutation(1).integers() == [0] }),
  ]

  static let refusals: [(String, @Sendable () throws -> Void)] = [
    ("reshape", { _ = try matrix().reshape([4]) }),
    ("matmul", { _ = try matrix().matmul(matrix()) }),
    ("item", { _ = try matrix().item() }),
    ("binary", { _ = try vector(1, 2) + vector(1, 2, 3) }),
    ("cat", { _ = try Tensor.cat([]) }),
    ("index_select", { _ = try matrix().indexSelect(0, Tensor([5])) }),
    ("narrow", { _ = try matrix().narrow(0, start: 1, length: 2) }),
    ("conv2d", { _ = try image().conv2d(weight: Tensor.ones([1, 2, 3, 3])) }),
    (
      "integer_linear",
      { _ = try matrix().integerLinear(weight: Tensor.ones([1, 2]), ranges: unitSteps) }
    ),
    ("backward", { try matrix().backward() }),
    ("set_requires_grad", { try Tensor([1]).setRequiresGradient(true) }),
    ("copy_into", { try vector(1, 2).copy(from: vector(1, 2, 3)) }),
    ("empty", { _ = try Tensor.empty([-1]) }),
    ("out of memory", { _ = try Tensor.empty([1 << 50]) }),
    ("one_hot", { _ = try Tensor([3]).oneHot(2) }),
    ("cross_entropy", { _ = try Tensor.zeros([1, 3]).crossEntropy(Tensor([3])) }),
    ("random_integers", { _ = try RandomKey(seed: 1).integers([1], below: 0) }),
  ]
}
