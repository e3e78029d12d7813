/// What the removal suite of watermarks is measured by.
extension Metric {
  /// What an attack costs.
  public static let accuracyChange = MetricDefinition(
    name: "accuracy_change", unit: "fraction", direction: .higher,
    formula: "clean_accuracy of the surrogate - clean_accuracy of the stolen model",
    source: "SoK (Lukas et al. 2022): an attack may lose 0.05")
  /// What a foreign key scores.
  public static let foreignScore = MetricDefinition(
    name: "foreign_score", unit: "fraction", direction: .neutral,
    formula: "largest score of a foreign key", source: "Bulwark; a control",
    target: "the null models' value")
  /// What is found below a new last layer.
  public static let originalLastLayerScore = MetricDefinition(
    name: "original_last_layer_score", unit: "fraction", direction: .neutral,
    formula: "score of the owner's key on the surrogate under the stolen model's last layer",
    source: "Adi et al. 2018, after RTLL and RTAL")
  /// How likely the score is without derivation.
  public static let pValue = MetricDefinition(
    name: "p_value", unit: "probability", direction: .neutral,
    formula: "(1 + other (model, key) pairs of as high an excess) / pairs",
    source: "Bulwark, Docs/Watermarks.md")
  /// Shift of the class prior.
  public static let classPriorShift = MetricDefinition(
    name: "class_prior_shift", unit: "fraction", direction: .lower,
    formula:
      "largest |share of clean test images given a class by the surrogate - by the stolen model|",
    source: "Bulwark; a carrier may survive by this alone")
  /// What an attack takes.
  public static let attackTime = MetricDefinition(
    name: "attack_time", unit: "seconds", direction: .neutral,
    formula: "wall-clock time of the attack, without measuring", source: "common")

  /// The definitions of this file.
  static let removal = [
    accuracyChange, foreignScore, originalLastLayerScore, pValue, classPriorShift, attackTime,
  ]
}
