import BulwarkTensor

/// What can keep a removal attack from being made or run.
public enum RemovalError: BulwarkError, Equatable {
  /// A name that no attack and no preset has.
  case unknownAttack(String, nearest: String?, valid: [String])
  /// A setting that the attack does not have.
  case unknownSetting(String, attack: String, nearest: String?, valid: [String])
  /// A setting that is not of the form key=value.
  case notASetting(String, attack: String)
  /// A value of another type than the setting: attack, reason.
  case unfit(attack: String, reason: String)
  /// An attack whose surrogate no other attack can work on, and the one that should.
  case endOfChain(String, next: String)
  /// The attack needs images that the owner did not train on, and none were given.
  case otherImagesMissing(attack: String)
  /// A loss that is infinite or not a number.
  case notFinite(attack: String, epoch: Int)
  /// Answers that are infinite or not a number: the attack has left no model.
  case answersNotFinite(attack: String)
  /// A student that shares these tensors with the stolen model before its first step.
  case notFresh([String])
  /// The images cannot be used: why.
  case images(String)

  /// What happened.
  public var summary: String {
    switch self {
    case .unknownAttack(let name, _, _): "'\(name)' is no removal attack"
    case .unknownSetting(let key, let attack, _, _): "the attack \(attack) has no setting '\(key)'"
    case .notASetting(let text, let attack):
      "'\(text)' in the settings of \(attack) is not of the form key=value"
    case .unfit(let attack, let reason): "the settings of \(attack) do not fit: \(reason)"
    case .endOfChain(let attack, let next):
      "\(next) cannot follow \(attack), whose model computes on integers and cannot be changed"
    case .otherImagesMissing(let attack):
      "\(attack) needs images that the owner did not train on, and there are none"
    case .notFinite(let attack, let epoch):
      "the loss of \(attack) became infinite or not a number in epoch \(epoch + 1)"
    case .answersNotFinite(StressReport.untouched):
      "the answers of the stolen model itself are infinite or not a number"
    case .answersNotFinite(let attack):
      "the answers of the model after \(attack) are infinite or not a number"
    case .notFresh(let names):
      "a distilled student starts from fresh weights, but shares \(names.joined(separator: ", ")) "
        + "with the stolen model"
    case .images(let reason): reason
    }
  }

  /// What to do about it.
  public var remedy: String {
    switch self {
    case .unknownAttack(_, let nearest, let valid), .unknownSetting(_, _, let nearest, let valid):
      nearest.map { "did you mean '\($0)'?" } ?? "use one of: \(valid.joined(separator: ", "))"
    case .notASetting, .unfit: "write for example distillation:width=8,temperature=4"
    case .endOfChain(let attack, let next):
      "put it last (\(next)+\(attack)), or simulate the integers with quantize"
    case .otherImagesMissing:
      "give them with --other-data (in a recipe: other_data.path), or leave the attack out"
    case .notFinite: "use a smaller learning rate"
    case .answersNotFinite(StressReport.untouched): "give a model whose training did not diverge"
    case .answersNotFinite: "use a milder attack"
    case .notFresh: "use another seed"
    case .images: "give other images"
    }
  }

  /// Usage for names and settings, bad data for images, failure for a run or a model that diverged and for
  /// a student that is none.
  public var category: ErrorCategory {
    switch self {
    case .notFinite, .answersNotFinite, .notFresh: .failure
    case .images: .badData
    default: .usage
    }
  }

  /// None.
  public var causes: [String] { [] }
}
