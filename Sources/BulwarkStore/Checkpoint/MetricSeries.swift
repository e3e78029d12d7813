/// The history of one metric.
public struct MetricSeries: Hashable, Sendable {
  /// Name in the metric dictionary, snake case; `stage2/loss` is allowed.
  public var name: String
  /// Unit, for example `fraction`, `nats`, `images/s`.
  public var unit: String
  /// The steps at which values were taken, in order.
  public var steps: [Int]
  /// One value for each step.
  public var values: [Double]

  /// Makes a series; `steps` and `values` must have one length when it is stored.
  public init(name: String, unit: String, steps: [Int] = [], values: [Double] = []) {
    self.name = name
    self.unit = unit
    self.steps = steps
    self.values = values
  }

  /// Adds one value.
  public mutating func append(_ value: Double, at step: Int) {
    steps.append(step)
    values.append(value)
  }

  /// Rows of one stored chunk: all of them, so that a short series costs no empty space.
  static func chunk(rows: Int) -> Int { min(max(rows, 1), 4096) }

  /// The stored form: int64 step and float64 value, row by row.
  var rowBytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(16 * steps.count)
    for (step, value) in zip(steps, values) {
      withUnsafeBytes(of: Int64(step).littleEndian) { bytes.append(contentsOf: $0) }
      withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }
    return bytes
  }

  /// Reads the stored form.
  init(name: String, unit: String, rowBytes: [UInt8]) {
    self.init(name: name, unit: unit)
    rowBytes.withUnsafeBytes { raw in
      for row in 0..<raw.count / 16 {
        steps.append(Int(raw.loadUnaligned(fromByteOffset: 16 * row, as: Int64.self)))
        values.append(raw.loadUnaligned(fromByteOffset: 16 * row + 8, as: Double.self))
      }
    }
  }
}
