import BulwarkPoisoning
import BulwarkStore
import BulwarkTraining

/// The attack on the training images, as recipes and flags describe it.
struct PoisonSettings: Codable, Equatable {
  /// Name of the attack; `none` leaves the images as they are.
  var attack = PoisonSettings.none
  /// Share that is poisoned, 0...1: 0 poisons nothing; `null` takes the attack's own default.
  var rate: Double?
  /// Label that the trigger is to call up.
  var target = 3
  /// How the images are drawn.
  var draw = AttackSpec.Draw.exact
  /// Parameters of the attack, each `key=value`.
  var parameters: [String] = []
  /// Picture for badnets or blended; empty takes the built-in one.
  var trigger = ""
  /// Checkpoint of a clean model, for label-consistent.
  var classifier = ""

  static let none = "none"

  private enum CodingKeys: String, CodingKey {
    case attack, rate, target, draw, parameters, trigger, classifier
  }

  init() {}

  /// Writes every key, also that of a rate that is not given: recipes show all settings.
  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(attack, forKey: .attack)
    try values.encode(rate, forKey: .rate)
    try values.encode(target, forKey: .target)
    try values.encode(draw, forKey: .draw)
    try values.encode(parameters, forKey: .parameters)
    try values.encode(trigger, forKey: .trigger)
    try values.encode(classifier, forKey: .classifier)
  }

  /// Checks the numbers, also where no attack is chosen.
  ///
  /// - Throws: `RecipeError.setting`.
  func validate(_ key: String) throws {
    let check = SettingCheck(key)
    if let rate { try check.number("rate", rate, to: 1) }
    try check.whole("target", target, in: 0...SettingCheck.mostUnits)
  }

  /// The specification that the settings describe; nil without an attack.
  ///
  /// - Throws: `PoisonError` naming the wrong setting or parameter; `DataError` for a bad picture.
  func spec(seed: UInt64) throws -> AttackSpec? {
    guard attack != PoisonSettings.none else { return nil }
    var chosen = try parsedAttack()
    if !trigger.isEmpty {
      switch chosen {
      case .badNets(var badNets):
        badNets.patch = try PatchTrigger(path: trigger)
        chosen = .badNets(badNets)
      case .blended(var blended):
        blended.picture = try BlendPicture(path: trigger)
        chosen = .blended(blended)
      default:
        throw ToolError.usage(
          "A trigger picture has no meaning for the attack \(attack).",
          remedy: "Leave it out, or choose badnets or blended.")
      }
    }
    let spec = AttackSpec(chosen, rate: rate, target: target, seed: seed, draw: draw)
    try spec.validate()
    return spec
  }

  /// The specification; `none` is no attack here.
  func requiredSpec(seed: UInt64) throws -> AttackSpec {
    guard let spec = try spec(seed: seed) else {
      throw PoisonError.unknownName(
        what: "attack", name: attack, valid: Attack.Kind.allCases.map(\.rawValue))
    }
    return spec
  }

  private func parsedAttack() throws -> Attack {
    var table: [String: JSONValue] = ["kind": .string(try Attack(named: attack).kind.rawValue)]
    for assignment in parameters {
      guard let equals = assignment.firstIndex(of: "="), equals != assignment.startIndex else {
        throw RecipeError.badAssignment(assignment)
      }
      let key = String(assignment[..<equals])
      guard key != "kind" else {
        throw ToolError.usage(
          "'kind' is no parameter of the attack \(attack).",
          remedy: "Choose the attack itself with --attack, or poison.attack in a recipe.")
      }
      let text = String(assignment[assignment.index(after: equals)...])
      // A number or a truth value, else text.
      table[key] = (try? JSONValue(parsing: text)) ?? .string(text)
    }
    do {
      return try JSONValue.object(table).decode(as: Attack.self)
    } catch let error as DecodingError {
      throw ToolError(
        summary: "A parameter of the attack \(attack) has a value of the wrong type.",
        remedy: "Give for example alpha=0.2.", category: .usage, causes: ["\(error)"])
    }
  }
}
