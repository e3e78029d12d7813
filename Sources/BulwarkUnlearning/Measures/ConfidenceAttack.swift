import BulwarkTensor

/// The membership inference attack (MIA) of SalUn's tables, `SVC_MIA`'s "confidence" entry: a support
/// vector classifier on the probability of the true class.
///
/// Members are n retained samples, others n test samples, n being the smaller of the two numbers; the
/// value is the share of the forget set that is classified as *not* a member.
///
/// The official code takes the *first* n retained samples, which is a random draw only because CIFAR's
/// files are shuffled: of an image folder it would be the first classes. Here the larger set is thinned
/// to n evenly spaced order statistics of its confidences, which stand for the whole set and do not
/// depend on the stored order.
public struct ConfidenceAttack: Sendable, Hashable {
  /// How the penalty C of the classifier is chosen.
  public enum Penalty: Sendable, Hashable {
    /// C = 3, as in the official code.
    case official
    /// C = 30,000 / n: 3 at the official n of 10,000. With a fixed C the cut moves with the number
    /// of samples, so that small runs could not be compared with published numbers.
    case scaled
  }

  /// How C is chosen.
  public let penalty: Penalty

  /// The attack with this penalty.
  public init(_ penalty: Penalty = .official) { self.penalty = penalty }

  /// C for n samples of each kind.
  public func penaltyValue(samples: Int) -> Double {
    switch penalty {
    case .official: 3
    case .scaled: 30_000 / Double(samples)
    }
  }

  /// Share of the forget set that is taken for samples the model was not trained on.
  ///
  /// - Parameters:
  ///   - forget: probability of the true class for each forgotten sample, in 0...1.
  ///   - retain: the same for the retained samples, in any order.
  ///   - test: the same for test samples, in any order.
  /// - Returns: a share in 0...1, and n.
  /// - Complexity: about O(n²).
  public func efficacy(forget: [Double], retain: [Double], test: [Double]) -> (
    share: Double, samples: Int
  ) {
    let samples = min(retain.count, test.count)
    let classifier = SupportVectorClassifier(
      penalty: penaltyValue(samples: samples), gamma: 1)
    let isMember = classifier.classifies(
      forget, first: Self.thinned(retain, to: samples), second: Self.thinned(test, to: samples))
    return (Double(isMember.count { !$0 }) / Double(max(forget.count, 1)), samples)
  }

  /// The order statistics number ⌊(i + ½) · count / n⌋ for i in 0..<n: n values that are spread over a
  /// sample as evenly as n of `count` can be; the sample itself, sorted, where n is `count`.
  static func thinned(_ values: [Double], to number: Int) -> [Double] {
    let sorted = values.sorted()
    return (0..<number).map { sorted[(2 * $0 + 1) * sorted.count / (2 * number)] }
  }
}
