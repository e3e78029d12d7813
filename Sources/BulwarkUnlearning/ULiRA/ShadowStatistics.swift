import BulwarkTensor
import Foundation

/// The statistic of every audited sample under every shadow, and which of the shadows unlearned it: all that
/// U-LiRA knows of one method.
///
/// The scores of an attack are no independent samples: every one of them is computed with all other shadows,
/// and what is odd about a shadow is odd about all its samples. So errors come from leaving out whole pairs
/// of shadows, and never from counting scores.
public struct ShadowStatistics: Sendable, Hashable {
  /// The logit of the confidence, in nats, for each shadow and audited sample.
  public let values: [[Double]]
  /// For each shadow, whether it was trained on the sample and unlearned it.
  public let isMember: [[Bool]]

  /// Statistics of shadows whose partners are side by side, as in `ShadowDesign`.
  ///
  /// - Parameters:
  ///   - values: for each of at least six shadows and each audited sample.
  ///   - isMember: of the same shape; partners unlearned different samples.
  public init(_ values: [[Double]], isMember: [[Bool]]) {
    precondition(values.count == isMember.count, "a membership for every shadow")
    self.values = values
    self.isMember = isMember
  }

  /// Number of pairs of shadows.
  public var pairs: Int { values.count / 2 }

  /// The attack on every shadow with the others.
  public var attack: LikelihoodRatioAttack {
    LikelihoodRatioAttack(statistics: values, isMember: isMember)
  }

  /// How surely samples are answered: statistics of the unlearned ones, or of those never trained on.
  public func statistics(unlearned: Bool) -> [Double] {
    zip(values, isMember).flatMap { row, members in
      zip(row, members).compactMap { $1 == unlearned ? $0 : nil }
    }
  }

  /// Mean statistic of unlearned samples less that of samples never trained on, in nats: above 0 something of
  /// them is remembered, below 0 they are answered worse than if they had never been seen.
  public var trace: Double {
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(values.count, 1)) }
    return mean(statistics(unlearned: true)) - mean(statistics(unlearned: false))
  }

  /// A number computed without each pair in turn.
  ///
  /// - Parameter number: of the shadows that are left.
  /// - Returns: one for each pair; none for fewer than four pairs, without one of which nothing can be attacked.
  public func withoutEachPair(_ number: (ShadowStatistics) -> Double) -> [Double] {
    guard pairs >= 4 else { return [] }
    return (0..<pairs).map { pair in
      let kept = values.indices.filter { $0 / 2 != pair }
      return number(ShadowStatistics(kept.map { values[$0] }, isMember: kept.map { isMember[$0] }))
    }
  }

  /// Standard error by the jackknife: √((n − 1)/n · Σ (θᵢ − θ̄)²), where θᵢ is the number without the i-th of
  /// n pairs.
  ///
  /// - Parameter parts: from `withoutEachPair`, or differences of such numbers.
  /// - Returns: nil where there are none.
  public static func error(_ parts: [Double]) -> Double? {
    guard !parts.isEmpty else { return nil }
    let count = Double(parts.count)
    let mean = parts.reduce(0, +) / count
    let squares = parts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return ((count - 1) / count * squares).squareRoot()
  }

  /// Areas of the attack where the partners' roles were exchanged at random for every sample.
  ///
  /// If unlearning left no trace, which of two partners unlearned a sample says nothing about the statistics,
  /// and the true area is one more of these, whatever the statistics look like.
  ///
  /// - Parameters:
  ///   - draws: how many.
  ///   - key: of all draws.
  /// - Returns: an area for each draw.
  /// - Throws: `TensorError`.
  public func exchangedAreas(draws: Int, key: RandomKey) throws -> [Double] {
    let samples = values[0].count
    return try (0..<draws).map { draw in
      let coins = try key.step(draw).uniform([pairs * samples]).doubles()
      let exchanged = isMember.enumerated().map { shadow, members in
        members.enumerated().map { sample, isMember in
          coins[shadow / 2 * samples + sample] < 0.5 ? isMember : !isMember
        }
      }
      return ShadowStatistics(values, isMember: exchanged).attack.area
    }
  }
}
