/// Named lists of attacks.
public enum RemovalSuite: String, Sendable, Codable, CaseIterable {
  /// Every kind of attack, at lengths that fit two processor cores.
  case standard
  /// One attack of each kind that matters most.
  case quick
  /// The settings of the sources where they say any: long schedules, 40 steps of adversarial training.
  case paper

  /// The texts of the attacks in order.
  ///
  /// - Parameter hasOtherImages: whether there are images that the owner did not train on.
  /// - Returns: what `RemovalRegistry.attack(_:environment:)` reads.
  public func attacks(hasOtherImages: Bool) -> [String] {
    let disjoint = hasOtherImages ? ["distillation-half-disjoint"] : []
    switch self {
    case .quick:
      return ["distillation-half", "ftal", "rtal", "prune-0.5", "quantize-5", "prune-0.5+ftal"]
    case .standard:
      return [
        "distillation-half", "distillation-half-t1", "distillation-half-t20",
        "distillation-half-hard",
      ] + disjoint + [
        "distillation-half-fewer", "distillation-half-jitter", "distillation-half-jitter-plain",
        "distillation-half-even", "distillation-half-even-original", "distillation-same",
        "distillation-other-architecture",
      ] + Self.tuning + ["fine_pruning:share=0.9,epochs=3"] + Self.weights + [
        "label_smoothing:epochs=3", "adversarial-short", "l2:epochs=3+ftal:epochs=2",
        "shift+ftal:epochs=3", "prune-0.5+ftal:epochs=2", "quantize-5+ftal:epochs=1",
      ]
    case .paper:
      let long = "epochs=60,batch_size=64,schedule=fifths"
      return [
        "half", "half-t1", "half-t20", "half-hard", "half-jitter", "half-jitter-plain",
        "half-even", "half-even-original", "same", "other-architecture",
      ].map { "distillation-\($0):\(long)" } + disjoint.map { "\($0):\(long)" }
        + ["distillation-half-fewer:epochs=300", "distillation:temperature=3,ask=plain,\(long)"]
        + Self.tuning + ["fine_pruning"] + Self.weights + [
          "label_smoothing", "adversarial:epsilon=0.01", "adversarial", "adversarial:epsilon=0.25",
          "l2+ftal:epochs=50", "shift+ftal:epochs=10", "prune-0.5+ftal",
          "quantize-5+ftal:epochs=1", "quantize-6+ftal:epochs=1",
        ]
    }
  }

  private static let tuning = ["ftll", "ftal", "rtll", "rtal", "ft_strong"]
  private static let weights =
    (1...9).map { "prune-0.\($0)" } + ["prune-global-0.5", "prune-global-0.8"]
    + [
      "quantize-8", "quantize-6", "quantize-5", "quantize-4", "int8", "noise", "soften", "permute",
    ]
}
