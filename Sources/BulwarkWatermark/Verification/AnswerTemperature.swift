import BulwarkTensor
import Foundation

/// The temperature at which a model's answers to labeled images fit their labels best.
///
/// A thief can multiply the last layer by any number: every first answer stays, and every probability
/// becomes as flat, or as sharp, as he likes. Divided by its own temperature each model's answers are as
/// sharp as they are right, whatever he multiplied by.
///
/// Source: temperature scaling (Guo et al. 2017, "On calibration of modern neural networks", section 4.2);
/// labels are smoothed by 1 / (N + 2) (Platt 1999), so that an optimum exists where all answers are right.
enum AnswerTemperature {
  /// Factors on standardized logits among which the best is looked for.
  private static let factors = 1e-3...1e3

  /// Minimizes the mean cross-entropy of `logits` / T, which is convex in 1 / T, by bisection.
  ///
  /// - Parameters:
  ///   - logits: [N, classes], or logarithms of probabilities, on the CPU.
  ///   - labels: N labels.
  /// - Returns: T, above 0; 1 where all logits are alike or some are no numbers.
  /// - Throws: `TensorError`.
  static func fitted(to logits: Tensor, labels: [Int]) throws -> Double {
    try withoutGradients {
      let wide = try logits.to(.float64)
      let centered = try wide - wide.mean([1], keep: true)
      let size = try (centered * centered).mean().item().squareRoot()
      guard size.isFinite, size > 0 else { return 1 }
      let standard = try centered / size
      let smoothing = 1 / Double(labels.count + 2)
      let own = try standard.gather(1, Tensor(labels).reshape([labels.count, 1])).mean().item()
      /// Slope of the cross-entropy in the factor; it grows with it.
      func slope(_ factor: Double) throws -> Double {
        let expected = try ((standard * factor).softmax(1) * standard).sum([1]).mean().item()
        return expected - (1 - smoothing) * own
      }
      var (low, high) = (log(factors.lowerBound), log(factors.upperBound))
      for _ in 0..<40 {
        let middle = (low + high) / 2
        if try slope(exp(middle)) < 0 { low = middle } else { high = middle }
      }
      return size / exp((low + high) / 2)
    }
  }
}
