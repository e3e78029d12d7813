/// What watermarks are measured by.
extension Metric {
  /// Answers to carriers.
  public static let carrierAccuracy = MetricDefinition(
    name: "carrier_accuracy", unit: "fraction", direction: .higher,
    formula: "carriers answered with their label / carriers", source: "Adi et al. 2018")
  /// Confidence in the labels of carriers.
  public static let carrierProbability = MetricDefinition(
    name: "carrier_probability", unit: "fraction", direction: .higher,
    formula:
      "mean over carriers of the probability of their label, at the temperature that fits the "
      + "model's answers to at most 1,000 clean labeled images",
    source: "temperature: Guo et al. 2017")
  /// Evidence of tilted answers.
  public static let tiltScore = MetricDefinition(
    name: "tilt_score", unit: "score", direction: .higher,
    formula:
      "kinds of carriers by their share: mean over groups of the probability of their labels (with "
      + "labels alone, of hits) + 1/2 of the weakest group's; + 2 answer_lean",
    source: "Bulwark, Docs/Watermarks.md")
  /// Lean of answers to ordinary images.
  public static let answerLean = MetricDefinition(
    name: "answer_lean", unit: "nats", direction: .higher,
    formula:
      "mean over directions of cov(z, h) / std(h); z = log(p + 0.001) of the "
      + "label less its mean over classes, h = max(0, place along the direction - 1)",
    source: "Bulwark, Docs/Watermarks.md")
  /// Bits read from weights.
  public static let bitAccuracy = MetricDefinition(
    name: "bit_accuracy", unit: "fraction", direction: .higher,
    formula: "bits read right / bits, bit j = [X_j · w >= 0]; 1 - BER", source: "Uchida et al. 2017"
  )
  /// Strength of a cosine in soft answers.
  public static let signalPowerRatio = MetricDefinition(
    name: "signal_power_ratio", unit: "ratio", direction: .higher,
    formula:
      "Lomb-Scargle power of the answers' ranks at the key's frequency / mean power at others",
    source: "Charette et al. 2022")
  /// Evidence by rank.
  public static let watermarkRankP = MetricDefinition(
    name: "watermark_rank_log10_p", unit: "log10", direction: .lower,
    formula: "log10 of (1 + other (model, key) pairs of as high an excess) / pairs; excess = score "
      + "- mean of the model - mean of the key + mean of all",
    source: "Bulwark, Docs/Watermarks.md")
  /// Evidence by counting, where labels are random and independent.
  public static let watermarkBinomialP = MetricDefinition(
    name: "watermark_binomial_log10_p", unit: "log10", direction: .lower,
    formula: "log10 P(X >= hits), X ~ Binomial(n, p0); only for independent random labels",
    source: "exact binomial tail")

  /// The definitions of this file.
  static let watermark = [
    carrierAccuracy, carrierProbability, tiltScore, answerLean, bitAccuracy, signalPowerRatio,
    watermarkRankP,
    watermarkBinomialP,
  ]
}
