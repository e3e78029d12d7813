import BulwarkTensor
import Testing

@testable import BulwarkDefense

@Suite("The pieces of MixMatch")
struct MixMatchTests {
  private let key = RandomKey(seed: 5)

  @Test("Sharpening with T 0.5 squares the mean of the views and normalizes")
  func sharpening() throws {
    let a = try Tensor([0.2, 0.8] as [Float], shape: [1, 2])
    let b = try Tensor([0.4, 0.6] as [Float], shape: [1, 2])
    let result = try MixMatch.sharpened([a.log(), b.log()], temperature: 0.5).floats()
    let expected: Float = 0.09 / (0.09 + 0.49)
    #expect(abs(result[0] - expected) < 1e-6)
    #expect(abs(result[0] + result[1] - 1) < 1e-6)
  }

  @Test("λ is at least one half and spreads as max(B, 1 − B) with B ~ Beta(0.75, 0.75)")
  func lambda() {
    let draws = (0..<4000).map { MixMatch.lambda(alpha: 0.75, key: key.step($0)) }
    #expect(draws.allSatisfy { $0 >= 0.5 && $0 <= 1 })
    // E max(B, 1 − B) = 1/2 + E |B − 1/2|; by numerical integration 0.7782 for α = 0.75.
    let mean = draws.reduce(0, +) / Double(draws.count)
    #expect(abs(mean - 0.7782) < 0.012)
  }

  @Test("The smaller Beta's parameter, the less is mixed; where both gammas underflow, nothing is")
  func lambdaOfTinyAlpha() {
    for alpha in [1e-3, 1e-4, 1e-6] {
      let draws = (0..<200).map { MixMatch.lambda(alpha: alpha, key: key.step($0)) }
      #expect(draws.count { $0 > 0.99 } > 195, "\(alpha)")
    }
  }

  @Test("Mixup keeps the larger share of the image in its place and mixes targets alike")
  func mixup() throws {
    let inputs = try [Tensor.full([4, 2], 1), Tensor.full([4, 2], 3)]
    let targets = try [Tensor.full([4, 2], 10), Tensor.full([4, 2], 30)]
    let mixed = try MixMatch.mixed(inputs: inputs, targets: targets, alpha: 0.75, key: key)
    for (group, range) in [(0, Float(1)...2.0001), (1, Float(1.9999)...3)] {
      let (xs, ys) = (try mixed.inputs[group].floats(), try mixed.targets[group].floats())
      for (x, y) in zip(xs, ys) {
        #expect(range.contains(x))
        #expect(abs(10 * x - y) < 1e-4)
      }
      // Rows that met one of the other group are between the two.
      #expect(xs.contains { $0 > 1.001 && $0 < 2.999 }, "group \(group)")
    }
    #expect(mixed.inputs[1].shape == [4, 2])
  }

  @Test("Interleaving exchanges blocks 21, 21, 22 and undoes itself")
  func interleaving() throws {
    let groups = try (0..<3).map { try Tensor.full([64, 1], Double($0)) }
    let swapped = try MixMatch.interleaved(groups)
    let first = try swapped[0].floats()
    #expect(first[..<21].allSatisfy { $0 == 0 })
    #expect(first[21..<42].allSatisfy { $0 == 1 })
    #expect(first[42...].allSatisfy { $0 == 2 })
    let back = try MixMatch.interleaved(swapped)
    for (a, b) in zip(groups, back) { #expect(try a.floats() == b.floats()) }
  }

  @Test("The loss is soft cross-entropy plus λ times the mean squared error over classes")
  func loss() throws {
    let logits = try [Tensor.zeros([1, 2]), Tensor.zeros([1, 2])]
    let targets = try [
      Tensor([1, 0] as [Float], shape: [1, 2]), Tensor([0.8, 0.2] as [Float], shape: [1, 2]),
    ]
    let value = try MixMatch.loss(logits, targets, weight: 2).item()
    #expect(abs(value - (0.693147 + 2 * 0.09)) < 1e-5)
  }
}
