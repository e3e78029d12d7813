import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// The unlearning methods by the names that commands and recipes use.
public enum UnlearningMethod: String, Sendable, Codable, CaseIterable {
  /// Saliency unlearning: random labeling under a saliency mask.
  case salun
  /// SalUn with a proximal step instead of a fixed mask.
  case salunSoft = "salun_soft"
  /// Random labeling of all weights.
  case rl
  /// Fine-tuning on the retain set.
  case ft
  /// Fine-tuning on the retain set with a falling ℓ1 norm.
  case l1Sparse = "l1_sparse"
  /// Gradient ascent on the forget set.
  case ga
  /// Descent on the retain set and ascent on the forget set.
  case negGradPlus = "neggrad_plus"
  /// Influence unlearning with WoodFisher.
  case iu
  /// Boundary expanding.
  case be
  /// Boundary shrinking.
  case bs
  /// Student and teacher, away and near.
  case scrub
  /// Selective synaptic dampening.
  case ssd
  /// Imitation of an untrained network on the forget set.
  case badTeacher = "bad_teacher"
  /// A new model on the retain set: the reference.
  case retrain

  /// The mask of `MaskOptions.Kind.automatic`.
  public var ownMask: MaskOptions.Kind { self == .salun ? .saliency : .none }

  /// Whether the method starts from the checkpoint's weights, so that a mask has a meaning.
  public var startsFromCheckpoint: Bool { self != .retrain }
}

/// Settings of every method that starts from the checkpoint, each under the method's name.
public struct UnlearningOptions: Hashable, Sendable, Codable {
  /// SalUn.
  public var salun = RandomLabelingOptions()
  /// SalUn-soft.
  public var salunSoft = SoftThresholdingOptions()
  /// Random labeling.
  public var rl = RandomLabelingOptions(training: FineTuningOptions(learningRate: 0.001))
  /// Fine-tuning.
  public var ft = FineTuningOnlyOptions()
  /// ℓ1-sparse fine-tuning.
  public var l1Sparse = SparseFineTuningOptions()
  /// Gradient ascent.
  public var ga = GradientAscentOptions()
  /// NegGrad+.
  public var neggradPlus = NegGradPlusOptions()
  /// Influence unlearning.
  public var iu = InfluenceUnlearningOptions()
  /// Boundary expanding.
  public var be = BoundaryOptions()
  /// Boundary shrinking.
  public var bs = BoundaryOptions()
  /// SCRUB.
  public var scrub = SCRUBOptions()
  /// Selective synaptic dampening.
  public var ssd = DampeningOptions()
  /// Bad teacher.
  public var badTeacher = BadTeacherOptions()

  /// The defaults: the papers' settings where they were published, else a value within the range that
  /// SalUn's paper tunes in (`Docs/Unlearning.md` says which).
  public init() {}

  /// The settings of one method as JSON, for the record; null for retraining.
  public func settings(of method: UnlearningMethod) throws -> JSONValue {
    switch method {
    case .salun: try JSONValue(encoding: salun)
    case .salunSoft: try JSONValue(encoding: salunSoft)
    case .rl: try JSONValue(encoding: rl)
    case .ft: try JSONValue(encoding: ft)
    case .l1Sparse: try JSONValue(encoding: l1Sparse)
    case .ga: try JSONValue(encoding: ga)
    case .negGradPlus: try JSONValue(encoding: neggradPlus)
    case .iu: try JSONValue(encoding: iu)
    case .be: try JSONValue(encoding: be)
    case .bs: try JSONValue(encoding: bs)
    case .scrub: try JSONValue(encoding: scrub)
    case .ssd: try JSONValue(encoding: ssd)
    case .badTeacher: try JSONValue(encoding: badTeacher)
    case .retrain: .null
    }
  }

  /// Checks what would otherwise go wrong deep inside a run.
  ///
  /// - Throws: `RecipeError.setting` naming the key.
  public func validate() throws {
    let groups: [(String, FineTuningOptions)] = [
      ("salun.training", salun.training), ("salun_soft.training", salunSoft.training),
      ("rl.training", rl.training), ("ft.training", ft.training),
      ("l1_sparse.training", l1Sparse.training), ("ga.training", ga.training),
      ("neggrad_plus.training", neggradPlus.training), ("be.training", be.training),
      ("bs.training", bs.training), ("scrub.training", scrub.training),
      ("bad_teacher.training", badTeacher.training),
    ]
    for (key, training) in groups { try training.validate("settings.\(key)") }
    let check = SettingCheck("settings")
    for (key, share) in [
      ("salun_soft.ratio", salunSoft.ratio),
      ("neggrad_plus.retain_weight", neggradPlus.retainWeight),
      ("bad_teacher.retain_share", badTeacher.retainShare),
    ] { try check.number(key, share, to: 1) }
    for (key, size) in [
      ("iu.samples", iu.samples), ("scrub.forget_batch_size", scrub.forgetBatchSize),
      ("ssd.batch_size", ssd.batchSize),
    ] { try check.whole(key, size, in: 1...SettingCheck.mostUnits) }
    for (key, number) in [
      ("scrub.temperature", scrub.temperature), ("bad_teacher.temperature", badTeacher.temperature),
      ("iu.memory_limit", iu.memoryLimit), ("ssd.alpha", ssd.alpha),
    ] { try check.number(key, number, isAbove: true) }
    for (key, number) in [
      ("be.attack_step", be.attackStep), ("bs.attack_step", bs.attackStep), ("iu.alpha", iu.alpha),
      ("l1_sparse.gamma", l1Sparse.gamma), ("scrub.alpha", scrub.alpha),
      ("scrub.gamma", scrub.gamma), ("ssd.lambda", ssd.lambda),
    ] { try check.number(key, number) }
    for (key, count) in [
      ("l1_sparse.plain_epochs", l1Sparse.plainEpochs),
      ("scrub.forget_epochs", scrub.forgetEpochs),
    ] { try check.whole(key, count, in: 0...SettingCheck.mostUnits) }
  }

  /// The steps of a method.
  func procedure(_ method: UnlearningMethod, _ context: UnlearningContext) throws
    -> any UnlearningProcedure
  {
    switch method {
    case .salun: try RandomLabeling(context, salun)
    case .salunSoft: try SoftThresholding(context, salunSoft)
    case .rl: try RandomLabeling(context, rl)
    case .ft: try FineTuning(context, ft.training)
    case .l1Sparse: try SparseFineTuning.procedure(context, l1Sparse)
    case .ga: try GradientAscent(context, ga)
    case .negGradPlus: try NegGradPlus(context, neggradPlus)
    case .iu: InfluenceUnlearning(context, iu)
    case .be: try BoundaryExpanding(context, be)
    case .bs: try BoundaryShrinking(context, bs)
    case .scrub: try SCRUB(context, scrub)
    case .ssd: SelectiveSynapticDampening(context, ssd)
    case .badTeacher: try BadTeacher(context, badTeacher)
    case .retrain: preconditionFailure("retraining does not start from the checkpoint")
    }
  }
}
