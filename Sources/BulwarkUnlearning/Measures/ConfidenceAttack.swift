import BulwarkTensor

/// The membership inference attack (MIA) of SalUn's tables, `SVC_MIA`'s "confidence" entry: a support
/// vector classifier on the probability of the true class.
///
/// Members are the first n retained samples in stored order, others the first n test samples, n being
/// the smaller of the two numbers; the value is the share of the forget set that is classified as *not*
/// a member. The official code takes all test samples and needs at least as many retained ones; then n
/// is theirs, and both agree.
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
  ///   - retain: the same for the retained samples, in stored order.
  ///   - test: the same for test samples, in stored order.
  /// - Returns: a share in 0...1, and n.
  /// - Complexity: about O(n²).
  public func efficacy(forget: [Double], retain: [Double], test: [Double]) -> (
    share: Double, samples: Int
  ) {
    let samples = min(retain.count, test.count)
    let classifier = SupportVectorClassifier(
      penalty: penaltyValue(samples: samples), gamma: 1)
    let isMember = classifier.classifies(
      forget, first: Array(retain.prefix(samples)), second: Array(test.prefix(samples)))
    return (Double(isMember.count { !$0 }) / Double(max(forget.count, 1)), samples)
  }
}
