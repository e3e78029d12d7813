import ArgumentParser
import BulwarkPoisoning

/// An attack with its parameters; the name of the attack belongs to each command.
struct AttackOptions: ParsableArguments {
  @Option(
    help: """
      Share that is poisoned, 0...1: of all images, or, for attacks that keep labels true, of the \
      target class; 0 poisons nothing. Default: 0.05, or 0.5 of the target class.
      """)
  var rate: Double?

  @Option(help: "Label that the trigger is to call up; default: 3.")
  var target: Int?

  @Option(help: "How images are drawn: exact (the count) or bernoulli (one draw an image).")
  var draw: AttackSpec.Draw?

  @Option(
    help: ArgumentHelp(
      "A parameter of the attack, for example alpha=0.2 or patch=corner-3x3; repeatable.",
      valueName: "key=value"))
  var parameter: [String] = []

  @Option(help: "Picture for badnets (the patch; black pixels mark nothing) or blended.")
  var trigger: String?

  @Option(help: "Checkpoint of a clean model; label-consistent perturbs images against it.")
  var classifier: String?

  /// The names of the attacks, for help texts.
  static let names = Attack.Kind.allCases.map(\.rawValue).joined(separator: ", ")

  /// The flags that were given.
  var given: [String] {
    [
      ("--rate", rate != nil), ("--target", target != nil), ("--draw", draw != nil),
      ("--parameter", !parameter.isEmpty), ("--trigger", trigger != nil),
      ("--classifier", classifier != nil),
    ].filter(\.1).map(\.0)
  }

  /// Puts what was given over `settings`.
  func overlay(on settings: inout PoisonSettings) {
    if let rate { settings.rate = rate }
    if let target { settings.target = target }
    if let draw { settings.draw = draw }
    if !parameter.isEmpty { settings.parameters = parameter }
    if let trigger { settings.trigger = trigger }
    if let classifier { settings.classifier = classifier }
  }
}

extension AttackSpec.Draw: ExpressibleByArgument {}
