import BulwarkStore
import Foundation

/// The samples that must go and those that stay: D_f and D_r of the papers; beside them those that are gone
/// already, which no step may show to the model again.
public struct ForgetSet: Sendable, Hashable {
  /// Ascending positions of the samples to forget.
  public let forget: [Int]
  /// Ascending positions of the samples that stay.
  public let retain: [Int]
  /// Ascending positions of those that the model no longer knows, or never knew: what earlier unlearning took
  /// out, what its training left out.
  public let gone: [Int]
  /// Where the list came from, in words.
  public let origin: String

  /// Checks a list of positions against the size of the training set.
  ///
  /// - Parameters:
  ///   - positions: in any order, each in `0..<count` and once.
  ///   - count: samples in the training set.
  ///   - gone: positions of samples that the model does not know, each in `0..<count`; what `positions` name,
  ///     too, is forgotten again.
  ///   - origin: what error messages and reports call the list.
  /// - Throws: `UnlearningError.outOfRange`, `.duplicate`, `.empty` or `.everything`.
  public init(_ positions: [Int], of count: Int, gone: [Int] = [], origin: String) throws {
    let isForgotten = try Self.membership(positions, of: count, origin: origin)
    let isGone = try Self.membership(
      Set(gone).sorted(), of: count, origin: "the list of samples that are gone already")
    guard !positions.isEmpty else { throw UnlearningError.empty(origin: origin) }
    forget = isForgotten.indices.filter { isForgotten[$0] }
    retain = isForgotten.indices.filter { !isForgotten[$0] && !isGone[$0] }
    self.gone = isForgotten.indices.filter { !isForgotten[$0] && isGone[$0] }
    guard !retain.isEmpty else { throw UnlearningError.everything(origin: origin) }
    self.origin = origin
  }

  /// The same samples to forget where others are gone already.
  ///
  /// - Throws: as the initializer.
  public func with(gone: [Int]) throws -> ForgetSet {
    try ForgetSet(forget, of: total, gone: gone, origin: origin)
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

  /// Ascending positions of everything that the model must not know.
  public var allForgotten: [Int] { (forget + gone).sorted() }

  /// Samples in the training set.
  public var total: Int { forget.count + retain.count + gone.count }

  /// Share of the training set that is to be forgotten, between 0 and 1.
  public var share: Double { Double(forget.count) / Double(total) }

  /// Whether two sets name the same samples of equally large data sets, whatever their origin.
  public func namesSame(as other: ForgetSet) -> Bool {
    forget == other.forget && retain == other.retain
  }

  /// `sha256:` over the text `bulwark.forget/1 <total>` and the ascending positions, one a line; where samples
  /// are gone already, `gone` and their positions follow. Equal for the same samples of the same number of
  /// samples.
  public var digest: String {
    let lines =
      ["bulwark.forget/1 \(total)"] + forget.map(String.init)
      + (gone.isEmpty ? [] : ["gone"] + gone.map(String.init))
    return "sha256:\(SHA256Digest(of: lines.joined(separator: "\n")))"
  }
}
