import BulwarkTensor
import Foundation
import Testing

@Suite("Layers on 8-bit integers")
struct IntegerLayerTests {
  /// Integers of values on `count` steps, one of which is 0, worked out without LibTorch.
  private struct Grid {
    let scale: Double
    let zero: Double

    init(_ range: ClosedRange<Double>, count: Double) {
      let (low, high) = (min(range.lowerBound, 0), max(range.upperBound, 0))
      scale = (high - low) / count
      zero = (-low / scale).rounded()
    }

    func integer(_ value: Double) -> Double { (value / scale).rounded(.toNearestOrEven) + zero }
  }

  private let ranges = LayerRanges(input: -1...3, output: -4...6)

  private func numbers(_ shape: [Int], seed: UInt64, scale: Double) throws -> Tensor {
    try RandomKey(seed: seed).normal(shape) * scale
  }

  /// What integers with 32-bit sums give for a linear layer, as multiples of the output's step.
  private func reference(_ x: [[Double]], _ weights: [[Double]], _ bias: [Double]) -> [[Double]] {
    let (input, output) = (Grid(ranges.input, count: 127), Grid(ranges.output, count: 255))
    let least = -input.zero * input.scale
    let most = (127 - input.zero) * input.scale
    return x.map { row in
      zip(weights, bias).map { filter, shift in
        let scale = (filter.map(abs).max() ?? 1) / 127
        let sum = zip(row, filter).reduce(0.0) { sum, pair in
          let value = input.integer(min(max(pair.0, least), most)) - input.zero
          return sum + value * (pair.1 / scale).rounded(.toNearestOrEven)
        }
        return min(max(output.integer(sum * scale * input.scale + shift), 0), 255) - output.zero
      }
    }
  }

  @Test("A linear layer is the sum of products of integers, rounded to the output's steps")
  func linear() throws {
    let (rows, inputs, outputs) = (6, 40, 5)
    let x = try numbers([rows, inputs], seed: 1, scale: 1.2)
    let weight = try numbers([outputs, inputs], seed: 2, scale: 0.2)
    let bias = try numbers([outputs], seed: 3, scale: 0.5)
    let found = try x.integerLinear(weight: weight, bias: bias, ranges: ranges).doubles()
    func split(_ values: Tensor) throws -> [[Double]] {
      let all = try values.doubles()
      return stride(from: 0, to: all.count, by: inputs).map { Array(all[$0..<$0 + inputs]) }
    }
    let expected = try reference(split(x), split(weight), bias.doubles()).flatMap { $0 }
    let step = Grid(ranges.output, count: 255).scale
    let steps = found.map { $0 / step }
    // On the grid, and nowhere more than one step off, which a sum at the border of two steps may be.
    for (a, b) in zip(steps, expected) {
      #expect(abs(a - a.rounded()) < 1e-3)
      #expect(abs(a - b) < 1.001)
    }
    #expect(zip(steps, expected).count { abs($0 - $1) < 1e-3 } >= 28)
    #expect(Set(expected).count > 10)
  }

  @Test("A convolution differs from the floating-point one by rounding", arguments: [1, 2])
  func convolution(stride: Int) throws {
    let x = try numbers([2, 3, 9, 9], seed: 4, scale: 0.7)
    let weight = try numbers([8, 3, 3, 3], seed: 5, scale: 0.15)
    let exact = try x.conv2d(weight: weight, stride: stride, padding: 1)
    let outside = LayerRanges(input: -3...3, output: -3...3)
    let found = try x.integerConv2d(weight: weight, stride: stride, padding: 1, ranges: outside)
    #expect(found.shape == exact.shape)
    let error = try (found - exact).square().mean().item().squareRoot()
    let size = try exact.square().mean().item().squareRoot()
    #expect(error > 1e-4 && error < 0.03 * size)
  }

  @Test("Values beyond the ranges take the nearest end")
  func outside() throws {
    let x = try Tensor([Float(100), -100], shape: [2, 1])
    let weight = try Tensor([Float(1)], shape: [1, 1])
    let wide = LayerRanges(input: -1...3, output: -100...100)
    let values = try x.integerLinear(weight: weight, ranges: wide).doubles()
    #expect(abs(values[0] - 3) < 0.5 && abs(values[1] + 1) < 0.5)
    let narrow = LayerRanges(input: -100...100, output: -4...6)
    let ends = try x.integerLinear(weight: weight, ranges: narrow).doubles()
    #expect(abs(ends[0] - 6) < 0.05 && abs(ends[1] + 4) < 0.05)
  }

  @Test("Weights have at most 255 levels a channel, and their own integers are the same again")
  func weights() throws {
    let weight = try numbers([4, 3, 5, 5], seed: 6, scale: 0.3)
    let once = try weight.integerWeights()
    #expect(once.shape == weight.shape)
    #expect(try (once - weight).doubles().contains { $0 != 0 })
    for channel in 0..<4 {
      func values(_ tensor: Tensor) throws -> [Double] {
        try tensor.narrow(0, start: channel, length: 1).contiguous().doubles()
      }
      let step = try (values(weight).map(abs).max() ?? 0) / 127
      #expect(try zip(values(once), values(weight)).allSatisfy { abs($0 - $1) < 0.501 * step })
    }
    let again = try once.integerWeights()
    #expect(try (again - once).abs().max().item() < 1e-6)
  }
}
