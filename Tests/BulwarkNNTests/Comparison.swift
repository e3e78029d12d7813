import BulwarkTensor
import Testing

/// The one measure of agreement of all numerics tests.
enum Comparison {
  /// ‖found − expected‖ / ‖expected‖ in float64; infinity where shapes differ or a value is NaN.
  static func relativeError(_ found: Tensor, _ expected: Tensor) throws -> Double {
    guard found.shape == expected.shape else { return .infinity }
    let (found, expected) = (try found.doubles(), try expected.doubles())
    let difference = zip(found, expected).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let norm = expected.reduce(0) { $0 + $1 * $1 }
    let error = norm == 0 ? difference.squareRoot() : (difference / norm).squareRoot()
    return error.isFinite ? error : .infinity
  }

  /// A row of 8 products with fixed vectors of random signs, the norm, and the norm of the change.
  struct Sketch {
    static let width = 8
    var products: [Double]
    var norm: Double
    var change: Double

    /// Rows of a fixture [tensors, 10].
    static func rows(_ fixture: Tensor) throws -> [Sketch] {
      let values = try fixture.doubles()
      let columns = width + 2
      return stride(from: 0, to: values.count, by: columns).map {
        Sketch(
          products: Array(values[$0..<$0 + width]), norm: values[$0 + width],
          change: values[$0 + width + 1])
      }
    }

    /// [8, 131072] of ±1: bit k of output i of the stream "signs" of seed 0.
    private static let signs = Result {
      var generator = RandomKey(seed: 0).stream("signs").generator()
      let bits = (0..<131_072).map { _ in generator.next() }
      return try Tensor(
        (0..<width).flatMap { k in bits.map { Double(($0 >> UInt64(k)) & 1) * 2 - 1 } },
        shape: [width, bits.count])
    }

    /// The products of one tensor.
    static func products(of tensor: Tensor) throws -> [Double] {
      try withoutGradients {
        let flat = try tensor.detach().contiguous().reshape([tensor.count, 1]).to(.float64)
        return try signs.get().narrow(1, start: 0, length: tensor.count).matmul(flat).doubles()
      }
    }

    /// Norm of the difference to `found`, beside `scale` (the norm of the expected tensor).
    func error(_ found: [Double], scale: Double? = nil) -> Double {
      let square = zip(found, products).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      let error = (square / Double(Sketch.width)).squareRoot() / (scale ?? norm)
      return error.isFinite ? error : .infinity
    }
  }
}

@Suite struct ComparisonTests {
  let expected = RandomKey(seed: 1)

  @Test func relativeErrorSeesWrongValues() throws {
    let a = try expected.normal([40, 50])
    #expect(try Comparison.relativeError(a, a) == 0)
    #expect(try Comparison.relativeError(a * 1.0001, a) > 9e-5)
    #expect(try Comparison.relativeError(a.flip([0]), a) > 1)
    #expect(try Comparison.relativeError(a.transpose(0, 1), a) == .infinity)
    #expect(try Comparison.relativeError(a * Double.nan, a) == .infinity)
    #expect(try Comparison.relativeError(a * 0, a) == 1)
  }

  @Test func sketchMeasuresTheNormOfADifference() throws {
    let a = try expected.normal([40, 50])
    let sketch = Comparison.Sketch(
      products: try Comparison.Sketch.products(of: a), norm: try a.norm().item(), change: 0)
    func error(_ b: Tensor) throws -> Double { sketch.error(try Comparison.Sketch.products(of: b)) }
    #expect(try error(a) == 0)
    for scale in [1e-4, 1e-2] {
      let measured = try error(a + expected.stream("noise").normal([40, 50]) * scale)
      #expect(measured > 0.4 * scale && measured < 1.8 * scale)
    }
    #expect(try error(a.flip([0])) > 0.5)
    #expect(try error(a.transpose(0, 1)) > 0.5)
    #expect(try error(a * Double.nan) == .infinity)
    let one = try Tensor([1] + [Float](repeating: 0, count: 1999), shape: [40, 50])
    #expect(try error(a + one * 0.01) > 1e-4)
  }
}
