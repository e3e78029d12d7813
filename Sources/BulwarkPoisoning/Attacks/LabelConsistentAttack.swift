import BulwarkTensor

/// The label-consistent attack (Turner et al. 2018): images of the target class are made hard by an
/// adversarial perturbation, then get the trigger; labels stay true. At test time there is the
/// trigger only.
///
/// Defaults follow DBD's first author's own code (`hkunzhe/label_consistent_attacks_pytorch`): PGD as
/// in `ProjectedGradient`, the official 2×2 DBD patch, half of the target class. That code crafts
/// against an adversarially trained ResNet-18; BackdoorBench and BackdoorBox against a benign one,
/// with Turner's four corners. The caller chooses the classifier. What the DBD paper used is not
/// public.
public struct LabelConsistentAttack: Hashable, Sendable, Codable {
  /// What is put on the perturbed images.
  public enum Mark: Hashable, Sendable {
    /// A patch that overwrites pixels.
    case patch(PatchTrigger)
    /// Turner's four corners.
    case corners(CornerTrigger)
  }

  /// The perturbation.
  public var perturbation: ProjectedGradient
  /// The trigger.
  public var mark: Mark

  /// The attack with these parameters.
  public init(perturbation: ProjectedGradient = ProjectedGradient(), mark: Mark = .patch(.dbd)) {
    self.perturbation = perturbation
    self.mark = mark
  }

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case epsilon, stepSize, steps, patch, cornerAmplitude
  }

  /// Reads the parameters; missing ones take their defaults, and `cornerAmplitude` stands for the
  /// four corners in place of a patch.
  public init(from decoder: any Decoder) throws {
    try decoder.refuseKeys(otherThan: ["kind"] + CodingKeys.allCases.map(\.rawValue))
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init()
    perturbation.epsilon =
      try values.decodeIfPresent(Double.self, forKey: .epsilon) ?? perturbation.epsilon
    perturbation.stepSize =
      try values.decodeIfPresent(Double.self, forKey: .stepSize) ?? perturbation.stepSize
    perturbation.steps =
      try values.decodeIfPresent(Int.self, forKey: .steps) ?? perturbation.steps
    if let amplitude = try values.decodeIfPresent(Double.self, forKey: .cornerAmplitude) {
      try require(
        !values.contains(.patch), "patch", "given together with cornerAmplitude",
        "one of the two")
      mark = .corners(CornerTrigger(amplitude: amplitude))
    } else if let patch = try values.decodeIfPresent(PatchTrigger.self, forKey: .patch) {
      mark = .patch(patch)
    }
  }

  /// Writes the parameters side by side.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(perturbation.epsilon, forKey: .epsilon)
    try values.encode(perturbation.stepSize, forKey: .stepSize)
    try values.encode(perturbation.steps, forKey: .steps)
    switch mark {
    case .patch(let patch): try values.encode(patch, forKey: .patch)
    case .corners(let corners): try values.encode(corners.amplitude, forKey: .cornerAmplitude)
    }
  }

  func validate() throws {
    try perturbation.validate()
    if case .corners(let corners) = mark { try corners.validate() }
  }

  func prepared(for form: ImageForm) throws -> any Trigger {
    switch mark {
    case .patch(let patch): try patch.prepared(for: form)
    case .corners(let corners): try corners.prepared(for: form)
    }
  }
}
