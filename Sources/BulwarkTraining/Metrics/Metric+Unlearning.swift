/// What unlearning is measured by. The names UA, RA, TA, MIA and RTE are those of SalUn's tables.
extension Metric {
  private static let paper = "SalUn (Fan et al. 2024), section 5.1 and the official code"
  private static let retrainValue = "Retrain's value, not 1"

  /// UA: how much of the forget set is answered wrongly.
  public static let unlearningAccuracy = MetricDefinition(
    name: "unlearning_accuracy", unit: "fraction", direction: .neutral,
    formula: "1 - correct / n over the forget set, given labels", source: paper + ", UA",
    target: retrainValue, isShareOfSamples: true)
  /// RA: how much of the retained training set is answered rightly.
  public static let retainAccuracy = MetricDefinition(
    name: "retain_accuracy", unit: "fraction", direction: .higher,
    formula: "correct / n over the retained training samples, given labels",
    source: paper + ", RA", isShareOfSamples: true)
  /// TA: how much of the test set is answered rightly.
  public static let testAccuracy = MetricDefinition(
    name: "test_accuracy", unit: "fraction", direction: .higher,
    formula: "correct / n over test images, without classes that are forgotten entirely",
    source: paper + ", TA", isShareOfSamples: true)
  /// MIA: how much of the forget set is taken for unseen.
  public static let miaEfficacy = MetricDefinition(
    name: "mia_efficacy", unit: "fraction", direction: .neutral,
    formula: "share of the forget set that an RBF support vector classifier (C 3, gamma 1) on the "
      + "probability of the true class, trained on n retained and n test samples, calls non-member",
    source: paper + ", MIA-efficacy (confidence)", target: retrainValue, isShareOfSamples: true)
  /// MIA with a penalty that fits the number of samples.
  public static let miaEfficacyScaled = MetricDefinition(
    name: "mia_efficacy_scaled", unit: "fraction", direction: .neutral,
    formula: "mia_efficacy with C = 30000 / n, so that the cut does not depend on n",
    source: "Bulwark; equal to mia_efficacy at the official n of 10,000", target: retrainValue,
    isShareOfSamples: true)
  /// Mean probability of the given label on the forget set.
  public static let forgetConfidence = MetricDefinition(
    name: "forget_confidence", unit: "fraction", direction: .neutral,
    formula: "mean probability of the given label over the forget set", source: "common",
    target: "Retrain's value, not 0")
  /// RTE: what forgetting took.
  public static let unlearningTime = MetricDefinition(
    name: "unlearning_time", unit: "seconds", direction: .lower,
    formula: "wall-clock time of mask and updates, without measuring", source: paper + ", RTE")
  /// RTE as a share of Retrain's.
  public static let unlearningTimeShare = MetricDefinition(
    name: "unlearning_time_share", unit: "fraction", direction: .lower,
    formula: "unlearning_time / unlearning_time of Retrain", source: paper + ", RTE")
  /// Avg Gap as in the paper's tables.
  public static let averageGap = MetricDefinition(
    name: "average_gap", unit: "fraction", direction: .lower,
    formula: "mean over UA, RA, TA and MIA of |mean of the method - mean of Retrain| over the "
      + "seeds that both have",
    source: paper + ", Avg. Gap")
  /// Avg Gap seed by seed.
  public static let averageGapPerSeed = MetricDefinition(
    name: "average_gap_per_seed", unit: "fraction", direction: .lower,
    formula:
      "mean over the seeds that both have of the mean over UA, RA, TA and MIA of "
      + "|method - Retrain of the seed|",
    source: "Bulwark; never below average_gap")
  /// Weights that the mask lets move.
  public static let maskCount = MetricDefinition(
    name: "mask_count", unit: "weights", direction: .neutral,
    formula: "floor(N * ratio) of N weights", source: paper)
  /// How far the others moved.
  public static let movementOutsideMask = MetricDefinition(
    name: "movement_outside_mask", unit: "weight units", direction: .lower,
    formula: "largest |after - before| over the weights outside the mask; exactly 0 when frozen",
    source: "Bulwark")
  /// Forget accuracy after a little relearning.
  public static let relearnedAccuracy1 = relearnedAccuracy(epochs: 1)
  /// Forget accuracy after some relearning.
  public static let relearnedAccuracy5 = relearnedAccuracy(epochs: 5)
  /// Area under the ROC curve of U-LiRA.
  public static let uliraAUC = MetricDefinition(
    name: "ulira_auc", unit: "fraction", direction: .lower,
    formula: "probability that an unlearned sample scores above one never trained on (ties half)",
    source: "U-LiRA (Hayes et al. 2024)", target: "0.5, where nothing of the samples is left")
  /// True positives of U-LiRA at a low false-positive rate.
  public static let uliraTPR1 = ulira(rate: "1pct", words: "0.01")
  /// True positives of U-LiRA at a very low false-positive rate.
  public static let uliraTPR01 = ulira(rate: "0_1pct", words: "0.001")

  /// Forget accuracy after some epochs of relearning.
  public static func relearnedAccuracy(epochs: Int) -> MetricDefinition {
    MetricDefinition(
      name: "relearned_accuracy_\(epochs)", unit: "fraction", direction: .neutral,
      formula: "accuracy on the rest of the forget set after \(epochs) epoch(s) of training on a "
        + "small share of it", source: "IDI (2405.17878) and others", target: retrainValue,
      isShareOfSamples: true)
  }

  private static func ulira(rate: String, words: String) -> MetricDefinition {
    MetricDefinition(
      name: "ulira_tpr_at_\(rate)_fpr", unit: "fraction", direction: .lower,
      formula:
        "share of unlearned samples above the threshold that at most \(words) of the samples "
        + "never trained on exceed", source: "U-LiRA (Hayes et al. 2024)",
      target: "\(words), where nothing of the samples is left")
  }

  /// The definitions of this file.
  static let unlearning = [
    unlearningAccuracy, retainAccuracy, testAccuracy, miaEfficacy, miaEfficacyScaled,
    forgetConfidence, unlearningTime, unlearningTimeShare, averageGap, averageGapPerSeed, maskCount,
    movementOutsideMask, relearnedAccuracy1, relearnedAccuracy5, uliraAUC, uliraTPR1, uliraTPR01,
  ]
}
