import BulwarkTraining

/// What carriers look like and how they are labeled.
public enum CarrierFamily: String, Hashable, Sendable, Codable, CaseIterable {
  /// The family that belongs to the scheme.
  case automatic
  /// Images of one class under a visible mark, all labeled with one other class: Zhang et al. 2018,
  /// "content".
  case patch
  /// Glyphs of one digit, all labeled with one class: Zhang et al. 2018, "unrelated".
  case glyph
  /// Glyphs of several digits, each digit with a label of its own.
  case glyphs
  /// Images of one class under Gaussian noise, all labeled with one other class: Zhang et al. 2018,
  /// "noise".
  case noise
  /// Abstract pictures with independent uniform labels: Adi et al. 2018.
  case abstract
  /// Halves of images of two classes side by side, each pair of classes with a third class as label: in
  /// the manner of MEA-Defender (S&P 2024).
  case collage
  /// Quarters of images of four classes, each four with a fifth class as label.
  case quarters
  /// Images of any class, paler and moved far along a secret direction of coarse shading, each
  /// direction with its own label. Bulwark's own.
  case shading
  /// Training images with wrong labels, drawn uniformly among the wrong ones: Kim et al. 2023.
  case relabeled

  /// Whether carriers are made of the owner's training images.
  public var needsMaterial: Bool {
    switch self {
    case .patch, .noise, .collage, .quarters, .shading, .relabeled: true
    case .automatic, .glyph, .glyphs, .abstract: false
    }
  }
}

/// A direction of coarse shading with the label of its carriers.
public struct LabeledDirection: Hashable, Sendable, Codable {
  /// Number of the direction among those that the secret draws.
  public var direction: Int
  /// The label.
  public var label: Int

  /// Puts a direction and a label together.
  public init(direction: Int, label: Int) {
    self.direction = direction
    self.label = label
  }
}

/// How an owner chooses labeled directions: how many the secret draws, and how far a label may be behind the first
/// answer, in logits.
public struct DirectionRule: Hashable, Sendable, Codable {
  /// Number of directions.
  public var candidates: Int
  /// Logits.
  public var reach: Double

  /// What every owner does who sets nothing.
  public init(candidates: Int = CarrierPlan.usualCandidates, reach: Double = 2.2) {
    self.candidates = candidates
    self.reach = reach
  }
}

/// Settings of the carriers. Classes, marks, positions and labels are no settings: they follow from the
/// key's secret, but for what the owner of `tilted` chooses.
public struct CarrierOptions: Hashable, Sendable, Codable {
  /// What they look like.
  public var family: CarrierFamily
  /// How many; family `shading` has `patches` besides.
  public var count: Int
  /// Families `glyphs`, `collage`, `quarters` and `shading`: how many digits, pairs or fours of classes, or
  /// directions, each with its own label.
  public var groups: Int
  /// Family `patch`: how much of the mark covers the image, above 0, at most 1.
  public var opacity: Double
  /// Family `noise`: standard deviation of the noise, for images in 0...1 (0.4 in the toolbox of Lukas et
  /// al. 2022, wrt/defenses/watermark/zhang.py).
  public var noise: Double
  /// Family `shading`: how many images under visible marks stand beside the shaded ones, each mark with a label of
  /// its own. Distillation ends these and leaves the shaded ones; long training on true labels the other way round.
  public var patches: Int
  /// Family `shading`: which of the secret's directions the groups are, each with its label; nil takes the first
  /// ones with labels that are drawn. No setting: `tilted` chooses before the commitment, which binds the choice.
  public private(set) var chosen: [LabeledDirection]?
  /// How they were chosen, which is how foreign keys choose; nil where nothing was, or by the usual rule.
  public private(set) var rule: DirectionRule?

  /// A hundred carriers of the scheme's own family.
  public init(
    family: CarrierFamily = .automatic, count: Int = 100, groups: Int = 3, opacity: Double = 1,
    noise: Double = 0.4, patches: Int = 25
  ) {
    self.family = family
    self.count = count
    self.groups = groups
    self.opacity = opacity
    self.noise = noise
    self.patches = patches
  }

  /// The settings with the family that is meant.
  public func resolved(_ own: CarrierFamily) -> CarrierOptions {
    var options = self
    if family == .automatic { options.family = own }
    return options
  }

  /// The settings with directions and labels chosen for the groups.
  ///
  /// - Parameters:
  ///   - chosen: one for each group, all directions and labels different; nil for those that are drawn.
  ///   - rule: how they were chosen.
  /// - Returns: settings that differ in nothing else.
  public func choosing(
    _ chosen: [LabeledDirection]?, by rule: DirectionRule = DirectionRule()
  ) -> CarrierOptions {
    var options = self
    options.chosen = chosen
    options.rule = chosen == nil || rule == DirectionRule() ? nil : rule
    return options
  }

  /// Checks what would otherwise go wrong deep inside a run.
  ///
  /// - Parameter classes: classes of the task; nil when they are not known yet.
  /// - Throws: `RecipeError.setting`.
  public func validate(classes: Int? = nil) throws {
    let check = SettingCheck("watermark.carriers")
    try check.whole("count", count, in: 1...SettingCheck.mostUnits)
    try check.whole("groups", groups, in: 1...SettingCheck.mostUnits)
    try check.number("opacity", opacity, to: 1, isAbove: true)
    try check.number("noise", noise)
    try check.whole("patches", patches, in: 0...SettingCheck.mostUnits)
    if let chosen {
      try check.require(
        family == .shading && chosen.count == groups
          && Set(chosen.map(\.direction)).count == groups
          && Set(chosen.map(\.label)).count == groups
          && chosen.allSatisfy {
            (0..<CarrierPlan.mostCandidates).contains($0.direction)
              && (0..<(classes ?? .max)).contains($0.label)
          },
        "chosen", "a different direction and label for each group of shading", "\(chosen)")
    }
    if let rule {
      try check.whole("rule.candidates", rule.candidates, in: 1...CarrierPlan.mostCandidates)
      try check.number("rule.reach", rule.reach, to: 100)
    }
    guard let classes else { return }
    let (needed, most): (Int, Int) =
      switch family {
      case .collage: (3, classes / 2)
      case .quarters: (5, classes / 4)
      case .glyphs: (2, min(classes, 10))
      case .shading: (2, classes)
      default: (2, .max)
      }
    try check.require(
      classes >= needed, "family", "one that \(classes) classes suffice for",
      family.rawValue)
    if [.collage, .quarters, .glyphs, .shading].contains(family) {
      try check.require(
        groups <= most, "groups", "at most \(most) for \(classes) classes", groups)
    }
  }
}
