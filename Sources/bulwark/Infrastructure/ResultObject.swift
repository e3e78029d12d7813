import BulwarkStore
import BulwarkTraining
import Foundation

/// One measured number: never without its unit and, where it is a share, its count.
struct ResultMetric: Encodable, Equatable {
  var value: JSONValue
  var unit: String
  var n: Int?
  /// Sample standard deviation, where the value is a mean over seeds. A finite number.
  var std: Double?
  /// Lower and upper end of the 95 % interval of a mean over seeds. Finite numbers.
  var interval95: [Double]?

  private enum CodingKeys: String, CodingKey {
    case value, unit, n, std
    case interval95 = "interval_95"
  }

  init(_ value: Double, unit: String, n: Int? = nil) {
    // JSON has no infinity and no NaN.
    self.value = value.isFinite ? .double(value) : .null
    self.unit = unit
    self.n = n
  }
}

extension [MetricValue] {
  /// The measurements under the names of the metric dictionary.
  var byName: [String: ResultMetric] {
    Dictionary(
      map {
        ($0.definition.name, ResultMetric($0.value, unit: $0.definition.unit, n: $0.count))
      }, uniquingKeysWith: { $1 })
  }
}

/// The result of a command as one JSON object, schema `bulwark.result/1`: one line, keys sorted.
struct ResultObject: Encodable {
  /// The metrics of one of several models or methods.
  struct Row: Encodable {
    var name: String
    var metrics: [String: ResultMetric]
  }

  let schema = "bulwark.result/1"
  let version = ToolVersion.current
  var command: String
  var seconds: Double = 0
  var metrics: [String: ResultMetric]?
  var rows: [Row]?
  /// Paths and digests of what was read.
  var inputs: [String: JSONValue] = [:]
  /// Paths of what was written.
  var outputs: [String: JSONValue] = [:]
  /// What is neither a metric nor a path: shapes, class names, counts.
  var details: [String: JSONValue]?
  /// `sha256:` and the digest of the resolved recipe.
  var recipe: String?

  init(command: String) { self.command = command }

  func line() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }
}

/// The version of the tool and of the code in it.
enum ToolVersion {
  static let current = "0.1.0"
}
