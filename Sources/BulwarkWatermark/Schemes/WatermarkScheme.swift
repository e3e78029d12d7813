import BulwarkTraining

/// The ownership watermarks that can be embedded and verified.
public enum WatermarkScheme: String, Hashable, Sendable, Codable, CaseIterable {
  /// Abstract pictures with random labels in every batch: Adi et al., USENIX Security 2018.
  case adi
  /// Images of one class under a mark: Zhang et al., AsiaCCS 2018, "content".
  case zhangContent = "zhang-content"
  /// Images of another domain: Zhang et al., AsiaCCS 2018, "unrelated".
  case zhangUnrelated = "zhang-unrelated"
  /// Images of one class under noise: Zhang et al., AsiaCCS 2018, "noise".
  case zhangNoise = "zhang-noise"
  /// A second network as teacher on ordinary images: Yang, Dang and Chang 2019.
  case ingrain
  /// Bits in the weights of a layer: Uchida et al., ICMR 2017.
  case uchida
  /// Entangled features: Jia et al., USENIX Security 2021.
  case ewe
  /// Carriers with a large margin: Kim et al., ICML 2023.
  case margin
  /// A cosine in the soft answers to ordinary images: Charette et al., AAAI 2022.
  case coswm
  /// Bulwark's own: carriers of task features, runner-up answers, rehearsed extraction.
  case rehearsed
  /// Bulwark's own: answers to ordinary images that lean with a secret direction of their shading.
  case tilted

  /// The family of carriers where the settings do not name one.
  public var ownFamily: CarrierFamily {
    switch self {
    case .adi: .abstract
    case .zhangContent, .ingrain, .uchida, .coswm: .patch
    case .zhangUnrelated: .glyph
    case .zhangNoise: .noise
    case .ewe: .glyph
    case .margin: .relabeled
    case .rehearsed: .collage
    case .tilted: .shading
    }
  }

  /// Whether the mark is read from answers to carriers.
  public var hasCarriers: Bool { self != .uchida && self != .coswm }
}

/// Settings of all schemes; a run uses those of its own.
public struct WatermarkOptions: Hashable, Sendable, Codable {
  /// What carriers look like.
  public var carriers = CarrierOptions()
  /// Carriers in every batch, for the schemes of Adi and Zhang.
  public var direct = DirectOptions()
  /// Settings of ingrain.
  public var ingrain = IngrainOptions()
  /// Settings of Uchida's bits.
  public var uchida = UchidaOptions()
  /// Settings of entangled watermarks.
  public var ewe = EWEOptions()
  /// Settings of margin-based watermarks.
  public var margin = MarginOptions()
  /// Settings of the cosine signal.
  public var coswm = CosineOptions()
  /// Settings of Bulwark's own scheme.
  public var rehearsed = RehearsedOptions()
  /// Settings of Bulwark's tilted answers.
  public var tilted = TiltedOptions()

  /// The defaults.
  public init() {}

  /// Checks every setting, and whether the carriers are of a family that the scheme can use.
  ///
  /// - Throws: `RecipeError.setting`.
  public func validate(_ scheme: WatermarkScheme) throws {
    try carriers.validate()
    if scheme.hasCarriers {
      let family = carriers.resolved(scheme.ownFamily).family
      let check = SettingCheck("watermark.carriers")
      try check.require(
        scheme != .margin || family == .relabeled, "family", "relabeled for margin",
        family.rawValue)
      try check.require(
        scheme != .ewe || [.glyph, .patch, .noise].contains(family), "family",
        "glyph, patch or noise for ewe, whose carriers share one label", family.rawValue)
      try check.require(
        scheme != .rehearsed || [.collage, .quarters].contains(family), "family",
        "collage or quarters for rehearsed", family.rawValue)
      try check.require(
        scheme != .tilted || family == .shading, "family", "shading for tilted", family.rawValue)
    }
    try direct.validate()
    try ingrain.validate()
    try uchida.validate()
    try ewe.validate()
    try margin.validate()
    try coswm.validate()
    try rehearsed.validate()
    try tilted.validate()
  }
}
