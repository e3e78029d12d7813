import ArgumentParser
import BulwarkPoisoning
import BulwarkStore
import BulwarkTraining

/// An attack with its parameters.
struct AttackOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The attack: \(Attack.Kind.allCases.map(\.rawValue).joined(separator: ", ")).",
      valueName: "name"))
  var attack: String

  @Option(
    help: """
      Share that is poisoned, 0...1: of all images, or, for attacks that keep labels true, of the \
      target class. Default: 0.05, or 0.5 of the target class.
      """)
  var rate: Double?

  @Option(help: "Label that the trigger is to call up.")
  var target = 3

  @Option(help: "How images are drawn: exact (the count) or bernoulli (one draw an image).")
  var draw = AttackSpec.Draw.exact

  @Option(
    help: ArgumentHelp(
      "A parameter of the attack, for example alpha=0.2 or patch=corner-3x3; repeatable.",
      valueName: "key=value"))
  var parameter: [String] = []

  @Option(help: "Picture for badnets (the patch, black pixels unmarked) or blended.")
  var trigger: String?

  /// The specification that the options describe.
  ///
  /// - Throws: `PoisonError` naming the wrong option or parameter; `DataError` for a bad picture.
  func spec(seed: UInt64) throws -> AttackSpec {
    let kind = try Attack(named: attack).kind
    var table: [String: JSONValue] = ["kind": .string(kind.rawValue)]
    for assignment in parameter {
      guard let equals = assignment.firstIndex(of: "="), equals != assignment.startIndex else {
        throw RecipeError.badAssignment(assignment)
      }
      let text = String(assignment[assignment.index(after: equals)...])
      table[String(assignment[..<equals])] = try Self.value(text)
    }
    var chosen = try decode(table)
    if let trigger {
      switch chosen {
      case .badNets(var badNets):
        badNets.patch = try PatchTrigger(path: trigger)
        chosen = .badNets(badNets)
      case .blended(var blended):
        blended.picture = try BlendPicture(path: trigger)
        chosen = .blended(blended)
      default:
        throw ToolError.usage(
          "--trigger has no meaning for the attack \(kind.rawValue).",
          remedy: "Leave it out, or choose badnets or blended.")
      }
    }
    let spec = AttackSpec(chosen, rate: rate, target: target, seed: seed, draw: draw)
    try spec.validate()
    return spec
  }

  private func decode(_ table: [String: JSONValue]) throws -> Attack {
    do {
      return try JSONValue.object(table).decode(as: Attack.self)
    } catch let error as DecodingError {
      throw ToolError(
        summary: "A --parameter of the attack \(attack) has a value of the wrong type.",
        remedy: "Give for example --parameter alpha=0.2.", category: .usage, causes: ["\(error)"])
    }
  }

  /// A number, a truth value or text.
  private static func value(_ text: String) throws -> JSONValue {
    (try? JSONValue(parsing: text)) ?? .string(text)
  }
}

extension AttackSpec.Draw: ExpressibleByArgument {}
