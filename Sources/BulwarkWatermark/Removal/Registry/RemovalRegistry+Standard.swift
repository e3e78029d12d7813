/// The attacks and presets that Bulwark knows.
extension RemovalRegistry {
  /// Every attack of this module. A program adds its own to a copy.
  public static let standard: RemovalRegistry = {
    var registry = RemovalRegistry()
    registry.addAttacks()
    registry.addPresets()
    return registry
  }()

  private mutating func addAttacks() {
    register(
      "distillation", summary: "a fresh student imitates the model's answers",
      defaults: DistillationOptions()
    ) { try Distillation($0, name: $1, environment: $2) }
    let forms: [(String, String, FineTuningAttackOptions)] = [
      ("ftll", "fine-tunes the last layer", .ftll), ("ftal", "fine-tunes all layers", .ftal),
      ("rtll", "trains a new last layer", .rtll),
      ("rtal", "trains all layers under a new last layer", .rtal),
      ("ft_strong", "fine-tunes long, at a large step size, on few images", .strong),
      ("label_smoothing", "fine-tunes with smoothed labels", .labelSmoothing),
      ("l2", "fine-tunes under a strong L2 penalty", .l2),
    ]
    for (name, summary, options) in forms {
      register(name, summary: summary, defaults: options) {
        try FineTuningAttack($0, name: $1, environment: $2)
      }
    }
    register(
      "adversarial", summary: "fine-tunes on adversarial images",
      defaults: AdversarialFineTuningOptions()
    ) { try AdversarialFineTuning($0, name: $1, environment: $2) }
    register(
      "fine_pruning", summary: "cuts idle channels off and fine-tunes",
      defaults: FinePruningOptions()
    ) { try FinePruning($0, name: $1, environment: $2) }
    register(
      "prune", summary: "sets the smallest weights to 0", defaults: WeightPruningOptions()
    ) { options, name, _ in try WeightPruning(options, name: name) }
    register(
      "quantize", summary: "leaves few levels to the weights",
      defaults: WeightQuantizationOptions()
    ) { options, name, _ in try WeightQuantization(options, name: name) }
    register(
      "int8", summary: "computes on 8-bit integers", defaults: IntegerInferenceOptions()
    ) { options, name, _ in try IntegerInference(options, name: name) }
    register("noise", summary: "adds noise to the weights", defaults: WeightNoiseOptions()) {
      options, name, _ in try WeightNoise(options, name: name)
    }
    register(
      "shift", summary: "subtracts the filters' mean and adds noise",
      defaults: WeightShiftingOptions()
    ) { options, name, _ in try WeightShifting(options, name: name) }
    register(
      "soften", summary: "flattens the probabilities; every first answer stays",
      defaults: AnswerSofteningOptions()
    ) { options, name, _ in try AnswerSoftening(options, name: name) }
    register(
      "permute", summary: "permutes channels; every answer stays", defaults: [String: String]()
    ) { _, name, _ in FeaturePermutation(name: name) }
  }

  private mutating func addPresets() {
    let half = "distillation:width_share=0.5"
    let distillations = [
      ("same", "distillation:width_share=1"), ("half", half),
      ("half-t1", half + ",temperature=1"), ("half-t20", half + ",temperature=20"),
      ("half-hard", half + ",labels=hard"), ("half-disjoint", half + ",images=other"),
      ("half-fewer", half + ",image_share=0.2,epochs=60"), ("half-jitter", half + ",jitter=0.4"),
      ("half-jitter-plain", half + ",jitter=0.4,ask=plain"),
      ("half-even", half + ",even_shading=2"),
      ("half-even-original", half + ",even_shading=2,ask_evened=false"),
      ("other-architecture", "distillation:family=other"),
    ]
    for (name, text) in distillations { addPreset("distillation-\(name)", text) }
    for tenth in 1...9 { addPreset("prune-0.\(tenth)", "prune:share=0.\(tenth)") }
    for tenth in 1...9 {
      addPreset("prune-global-0.\(tenth)", "prune:scope=global,share=0.\(tenth)")
    }
    for bits in [8, 6, 5, 4] { addPreset("quantize-\(bits)", "quantize:bits=\(bits)") }
    addPreset(
      "adversarial-short",
      "adversarial:epochs=1,image_share=0.2,epsilon=0.03,step_size=0.01,iterations=5")
  }
}
