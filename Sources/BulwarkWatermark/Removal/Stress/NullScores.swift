import BulwarkNN

/// What models without any mark score: the population that the surrogates of one architecture are ranked
/// among. A half-wide student is no exchangeable member of a population of full width.
public struct NullScores: Sendable, Codable, Equatable {
  /// Architecture of the surrogates that are ranked here.
  public let surrogates: Architecture
  /// Architecture of the null models: the same, unless a recipe names another.
  public let models: Architecture
  /// Scores of each null model, under the owner's key and then under the foreign ones.
  public let scores: [[Double]]
  /// Share of clean test images that each null model answers rightly, 0...1, those without a place for the mark
  /// among them; empty where it is not known.
  public let accuracies: [Double]
  /// Why these models could not be made; nil where they could.
  public let failure: String?

  /// A population.
  ///
  /// - Parameters:
  ///   - surrogates: whose surrogates are ranked among it.
  ///   - models: architecture of the null models; nil for the same.
  ///   - scores: a row for each null model, the owner's key first.
  ///   - accuracies: of the null models; none where they are not known.
  ///   - failure: why these models could not be made; nil where they could.
  public init(
    _ surrogates: Architecture, models: Architecture? = nil, scores: [[Double]],
    accuracies: [Double] = [], failure: String? = nil
  ) {
    self.surrogates = surrogates
    self.models = models ?? surrogates
    self.scores = scores
    self.accuracies = accuracies
    self.failure = failure
  }

  /// The median of `accuracies`: what a network of this architecture reaches without any mark; nil for none.
  public var medianAccuracy: Double? {
    let sorted = accuracies.sorted()
    guard !sorted.isEmpty else { return nil }
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }

  /// The smallest p-value that the table of a surrogate and these models can give.
  public var smallestP: Double {
    1 / Double(max(1, (scores.first?.count ?? 0) * (scores.count + 1)))
  }
}
