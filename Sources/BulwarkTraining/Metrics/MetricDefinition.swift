/// What a number means: every number that Bulwark prints or stores has an entry in `Metric`.
public struct MetricDefinition: Sendable, Hashable {
  /// Which way is good.
  public enum Direction: String, Sendable, Codable {
    /// More is better.
    case higher
    /// Less is better.
    case lower
    /// Neither: the number describes.
    case neutral
  }

  /// Name in tables, JSON and HDF5, snake case.
  public let name: String
  /// Unit: `fraction` (0...1), `nats`, `samples`, `seconds`, ...
  public let unit: String
  /// Which way is good.
  public let direction: Direction
  /// How it is computed.
  public let formula: String
  /// Where the definition comes from.
  public let source: String
  /// The value that is best, where that is neither the largest nor the smallest; nil otherwise.
  public var target: String?
  /// Whether the number is a share of independent samples, so that a binomial interval fits a single
  /// measurement. Not so for means, areas, ratios of times, and shares of correlated scores.
  public var isShareOfSamples = false
}

/// The metric dictionary.
public enum Metric {
  /// Share of clean test images given their true label.
  public static let cleanAccuracy = MetricDefinition(
    name: "clean_accuracy", unit: "fraction", direction: .higher,
    formula: "correct / n over clean test images", source: "DBD (Huang et al. 2022), BA",
    isShareOfSamples: true)
  /// Share of triggered test images of other classes that are given the target label.
  public static let attackSuccessRate = MetricDefinition(
    name: "attack_success_rate", unit: "fraction", direction: .lower,
    formula: "predicted as target / n over triggered test images whose true label is not the "
      + "target",
    source: "DBD (Huang et al. 2022), ASR", isShareOfSamples: true)
  /// Share of triggered test images given their true label.
  public static let robustAccuracy = MetricDefinition(
    name: "robust_accuracy", unit: "fraction", direction: .higher,
    formula: "predicted as true label / n over triggered test images whose true label is not the "
      + "target", source: "BackdoorBench (Wu et al. 2022), RA", isShareOfSamples: true)
  /// Share of training images given their stored label.
  public static let trainAccuracy = MetricDefinition(
    name: "train_accuracy", unit: "fraction", direction: .higher,
    formula: "predicted as stored label / n over training images", source: "common",
    isShareOfSamples: true)
  /// Mean training loss of an epoch.
  public static let trainLoss = MetricDefinition(
    name: "train_loss", unit: "nats", direction: .lower,
    formula: "mean loss of the steps of an epoch", source: "common")
  /// Poisons among the most suspicious samples.
  public static let filterPrecision = MetricDefinition(
    name: "filter_precision", unit: "fraction", direction: .higher,
    formula: "true poisons among the p most suspicious samples / p, p = number of true poisons",
    source: "DBD rebuttal, filter quality")
  /// Poisons among the flagged samples.
  public static let flaggedPrecision = MetricDefinition(
    name: "flagged_precision", unit: "fraction", direction: .higher,
    formula: "true poisons among the flagged samples / flagged samples", source: "common")
  /// Flagged samples among the poisons.
  public static let flaggedRecall = MetricDefinition(
    name: "flagged_recall", unit: "fraction", direction: .higher,
    formula: "true poisons among the flagged samples / true poisons", source: "common")
  /// Poisons that stay in the labeled pool.
  public static let poisonsInLabeledPool = MetricDefinition(
    name: "poisons_in_labeled_pool", unit: "samples", direction: .lower,
    formula: "true poisons among the samples that keep their label", source: "DBD official log")
  /// Poisons that stay in the labeled pool, as a share of the pool.
  public static let poisonShareOfLabeledPool = MetricDefinition(
    name: "poison_share_of_labeled_pool", unit: "fraction", direction: .lower,
    formula: "poisons_in_labeled_pool / size of the pool", source: "DBD official log")
  /// Ranking quality of the suspicion score.
  public static let suspicionAUC = MetricDefinition(
    name: "suspicion_auc", unit: "fraction", direction: .higher,
    formula: "probability that a true poison is ranked above a clean sample (ties half)",
    source: "area under the ROC curve")
  /// Contradiction of the most contradicted class.
  public static let classContradiction = MetricDefinition(
    name: "class_contradiction", unit: "fraction", direction: .lower,
    formula:
      "max over classes c of (C − 1) · median_j max(0, K_cj − K_jc), K_cj = share of c called j "
      + "with probability above 0.8",
    source: "Bulwark, Docs/DBD.md")

  /// Samples that DBD leaves out of stages 2 and 3.
  public static let quarantinedSamples = MetricDefinition(
    name: "quarantined_samples", unit: "samples", direction: .lower,
    formula: "samples in cliques of the features of stage 1, or known by a pattern in their pixels",
    source: "Bulwark, Docs/DBD.md")

  /// How well the features of stage 1 know the given labels.
  public static let neighborAgreement = MetricDefinition(
    name: "neighbor_agreement", unit: "fraction", direction: .higher,
    formula: "share of the training samples whose given label wins the weighted vote of their "
      + "nearest neighbors in feature space",
    source: "weighted k-nearest-neighbor test, Wu et al. 2018")

  /// Every definition.
  public static let all =
    [
      cleanAccuracy, attackSuccessRate, robustAccuracy, trainAccuracy, trainLoss, filterPrecision,
      flaggedPrecision, flaggedRecall, poisonsInLabeledPool, poisonShareOfLabeledPool,
      suspicionAUC, classContradiction, neighborAgreement, quarantinedSamples,
    ] + unlearning + watermark + removal
}

/// One measured number with its meaning.
public struct MetricValue: Sendable, Hashable {
  /// What it is.
  public let definition: MetricDefinition
  /// The number, in the definition's unit.
  public let value: Double
  /// Number of samples behind it.
  public let count: Int

  /// Names a number.
  public init(_ definition: MetricDefinition, _ value: Double, count: Int) {
    self.definition = definition
    self.value = value
    self.count = count
  }
}
