import BulwarkStore
import Foundation

/// The samples that must go and those that stay: D_f and D_r of the papers.
public struct ForgetSet: Sendable, Hashable {
  /// Ascending positions of the samples to forget.
  public let forget: [Int]
  /// Ascending positions of the others.
  public let retain: [Int]
  /// Where the list came from, in words.
  public let origin: String

  /// Checks a list of positions against the size of the training set.
  ///
  /// - Parameters:
  ///   - positions: in any order, each in `0..<count` and once.
  ///   - count: samples in the training set.
  ///   - origin: what error messages and reports call the list.
  /// - Throws: `UnlearningError.outOfRange`, `.duplicate`, `.empty` or `.everything`.
  public init(_ positions: [Int], of count: Int, origin: String) throws {
    let isForgotten = try Self.membership(positions, of: count, origin: origin)
    guard !positions.isEmpty else { throw UnlearningError.empty(origin: origin) }
    guard positions.count < count else { throw UnlearningError.everything(origin: origin) }
    forget = isForgotten.indices.filter { isForgotten[$0] }
    retain = isForgotten.indices.filter { !isForgotten[$0] }
    self.origin = origin
  }

  /// For each of `count` samples, whether the positions name it.
  ///
  /// - Throws: `UnlearningError.outOfRange` or `.duplicate`.
  static func membership(_ positions: [Int], of count: Int, origin: String) throws -> [Bool] {
    var isMember = [Bool](repeating: false, count: count)
    for position in positions {
      guard isMember.indices.contains(position) else {
        throw UnlearningError.outOfRange(index: position, count: count, origin: origin)
      }
      guard !isMember[position] else {
        throw UnlearningError.duplicate(index: position, origin: origin)
      }
      isMember[position] = true
    }
    return isMember
  }

  /// Samples in the training set.
  public var total: Int { forget.count + retain.count }

  /// Share of the training set that is to be forgotten, between 0 and 1.
  public var share: Double { Double(forget.count) / Double(total) }

  /// Whether two sets name the same samples of equally large data sets, whatever their origin.
  public func namesSame(as other: ForgetSet) -> Bool {
    forget == other.forget && retain.count == other.retain.count
  }

  /// `sha256:` over the text `bulwark.forget/1 <total>` and the ascending positions, one a line:
  /// equal for the same samples of the same number of samples.
  public var digest: String {
    let lines = ["bulwark.forget/1 \(total)"] + forget.map(String.init)
    return "sha256:\(SHA256Digest(of: lines.joined(separator: "\n")))"
  }
}
