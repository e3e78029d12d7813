import BulwarkTensor
import Foundation

/// `name=value` arguments, and what every measurement needs.
struct Settings {
  private let values: [String: String]

  struct Malformed: Error, CustomStringConvertible {
    let description: String
  }

  init(_ arguments: [String]) throws {
    var values: [String: String] = [:]
    for argument in arguments {
      let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { throw Malformed(description: "'\(argument)' is no name=value") }
      values[parts[0]] = parts[1]
    }
    self.values = values
  }

  func number(_ name: String, _ standard: Int) throws -> Int {
    guard let text = values[name] else { return standard }
    guard let value = Int(text), value > 0 else {
      throw Malformed(description: "\(name) must be a positive number, not '\(text)'")
    }
    return value
  }

  func text(_ name: String, _ standard: String) -> String { values[name] ?? standard }

  /// Whether bfloat16 autocast is asked for; sets the number of threads on the way.
  func begin(threads standard: Int) throws -> Bool {
    try Runtime.shared().setThreadCount(number("threads", standard))
    switch text("precision", "fp32") {
    case "fp32": return false
    case "bf16": return true
    case let other: throw Malformed(description: "precision must be fp32 or bf16, not '\(other)'")
    }
  }

  /// Largest resident set of this process so far, in MiB.
  static func peakMemory() throws -> Double {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    let digits = line?.filter(\.isNumber) ?? ""
    return (Double(digits) ?? .nan) / 1024
  }

  /// Seconds that `body` takes.
  static func seconds(_ body: () throws -> Void) rethrows -> Double {
    let start = DispatchTime.now().uptimeNanoseconds
    try body()
    return Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
  }

  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }

  static func print(_ results: [(String, Double)]) {
    let fields = results.map { "\"\($0.0)\": \(($0.1 * 1000).rounded() / 1000)" }
    Swift.print("{\(fields.joined(separator: ", "))}")
  }
}
