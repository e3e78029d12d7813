import BulwarkTensor
import Testing

@Suite struct TensorBehaviorTests {
  struct Stop: Error {}

  @Test func valuesMustFitTheShape() {
    #expect(throws: TensorError.shape(expected: [2, 2], found: 3)) {
      try Tensor([1, 2, 3], shape: [2, 2])
    }
    #expect(throws: TensorError.shape(expected: [-1], found: 1)) { try Tensor([1], shape: [-1]) }
  }

  @Test func modesComeBackAfterAnError() throws {
    let x = try Tensor([1] as [Float])
    try x.setRequiresGradient(true)
    #expect(throws: Stop.self) { try withoutGradients { throw Stop() } }
    #expect(try (x * 2).requiresGradient)
    try withoutGradients {
      #expect(throws: Stop.self) { try withGradients { throw Stop() } }
      #expect(try !(x * 2).requiresGradient)
      let inside = try withGradients { try (x * 2).requiresGradient }
      #expect(inside)
    }
    let a = try Tensor.ones([2, 2])
    #expect(throws: Stop.self) { try withAutocast(true, on: .cpu) { throw Stop() } }
    #expect(try a.matmul(a).dtype == .float32)
    try withAutocast(true, on: .cpu) {
      let inner = try withAutocast(true, on: .cpu) { try a.matmul(a).dtype }
      #expect(inner == .bfloat16)
      #expect(try a.matmul(a).dtype == .bfloat16)
    }
  }

  @Test("Inside an autocast one can do without: float32, and with the weights as they are by then")
  func autocastOff() throws {
    let weight = try Tensor.ones([2, 2])
    try weight.setRequiresGradient(true)
    try withAutocast(true, on: .cpu) {
      #expect(try weight.matmul(weight).dtype == .bfloat16)
      try withoutGradients { try weight.copy(from: Tensor.full([2, 2], 3)) }
      let product = try withAutocast(false, on: .cpu) { try weight.matmul(weight) }
      #expect(product.dtype == .float32)
      #expect(try product.floats() == [18, 18, 18, 18])
      #expect(try weight.matmul(weight).dtype == .bfloat16)
    }
  }

  @Test func everyThreadHasItsOwnMessage() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for length in 2..<34 {
        group.addTask {
          let (a, b) = (try Tensor.zeros([length]), try Tensor.zeros([length + 100]))
          for _ in 0..<50 {
            do {
              _ = try a + b
              Issue.record("two lengths were added")
            } catch TensorError.operation(let text) {
              #expect(text.contains("(\(length))") && text.contains("(\(length + 100))"), "\(text)")
            }
          }
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func numbersBesideIntegers() throws {
    let counts = try Tensor([1, 2, 3])
    #expect(try (counts + 1).dtype == .int64)
    #expect(try (counts * 0.5).floats() == [0.5, 1, 1.5])
    #expect(try (counts / 2).floats() == [0.5, 1, 1.5])
    #expect(try counts.gt(1.5).integers() == [0, 1, 1])
    #expect(try counts.lt(.infinity).integers() == [1, 1, 1])
    #expect(try counts.remainder(2).integers() == [1, 0, 1])
  }

  @Test func viewsAreReadInTheirOwnOrder() throws {
    let x = try Tensor.arange(6).reshape([2, 3]).transpose(0, 1)
    #expect(try x.integers() == [0, 3, 1, 4, 2, 5])
    #expect(throws: TensorError.self) { try x.withUnsafeMutableBytes { $0.count } }
    #expect(try Tensor.zeros([0, 3]).floats() == [])
    #expect(try Tensor.zeros([]).shape == [])
    #expect(try x.unsqueeze(-1).shape == [3, 2, 1])
    #expect(try x.unsqueeze(0).squeeze(0).shape == [3, 2])
  }

  @Test func conversions() throws {
    #expect(try Tensor([true, false]).floats() == [1, 0])
    #expect(try Tensor([0.1]).dtype == .float64)
    #expect(try Tensor([1.0009765625] as [Float]).to(.bfloat16).floats() == [1])
    #expect(try Tensor([255] as [UInt8]).to(.int8).integers() == [-1])
    for type in DType.allCases {
      let one = try Tensor.ones([3], dtype: type)
      let bytes = try one.withUnsafeBytes { $0.count }
      #expect(bytes == 3 * type.byteSize)
      #expect(try one.floats() == [1, 1, 1])
    }
  }

  @Test func reductions() throws {
    let x = try Tensor([1, 2, 3, 6] as [Float], shape: [2, 2])
    #expect(try x.sum().item() == 12 && x.mean().item() == 3)
    #expect(try x.max([1]).floats() == [2, 6] && x.min([0], keep: true).shape == [1, 2])
    #expect(try x.variance().item() == 3.5)
    #expect(abs(try x.norm().item() - 50.0.squareRoot()) < 1e-5)
    #expect(abs(try Tensor([0, 0] as [Float]).logSumExp().item() - 0.6931472) < 1e-6)
    #expect(try Tensor([3] as [Float]).reshape([]).sum().item() == 3)
  }

  @Test func aRowOfZerosHasAFiniteGradient() throws {
    let x = try Tensor([0, 0, 3, 4] as [Float], shape: [2, 2])
    try x.setRequiresGradient(true)
    let unit = try x.normalized()
    #expect(try unit.floats() == [0, 0, 0.6, 0.8])
    try unit.square().sum().backward()
    #expect(try #require(try x.gradient()).isFinite().min().item() == 1)
  }
}
