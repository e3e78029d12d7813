import BulwarkStore
import BulwarkTraining

/// The removal attacks by name, and how a line of text becomes one.
///
/// A text is `NAME`, `NAME:key=value,key=value`, or several of these with `+` between them, which is a
/// chain. A name is an attack's (`distillation`) or a preset's (`distillation-half`, which stands for
/// `distillation:width_share=0.5`); settings that follow override the preset's. Keys are those of the
/// attack's options in snake case; the group `training` need not be written.
public struct RemovalRegistry: Sendable {
  /// One kind of attack.
  public struct Entry: Sendable {
    /// Name in texts.
    public let name: String
    /// One line of what it does.
    public let summary: String
    /// Every key of its settings.
    public let keys: [String]
    let make:
      @Sendable (_ settings: [Setting], _ name: String, RemovalEnvironment) throws ->
        any RemovalAttack
  }

  /// A text under a name.
  public struct Preset: Sendable, Equatable {
    /// Name in texts.
    public let name: String
    /// What it stands for.
    public let text: String
  }

  struct Setting: Sendable {
    var key: String
    var value: String
  }

  /// The attacks in the order in which they were registered.
  public private(set) var entries: [Entry] = []
  /// The presets in the order in which they were registered.
  public private(set) var presets: [Preset] = []

  /// A registry without attacks.
  public init() {}

  /// Adds a kind of attack.
  ///
  /// - Parameters:
  ///   - name: name in texts.
  ///   - summary: one line of what it does.
  ///   - defaults: its settings; what a text does not say stays as it is here.
  ///   - make: makes the attack of settings, name in results and environment.
  public mutating func register<Options: Codable & Sendable>(
    _ name: String, summary: String, defaults: Options,
    make:
      @escaping @Sendable (Options, _ name: String, RemovalEnvironment) throws ->
      any RemovalAttack
  ) {
    precondition(!names.contains(name), "two attacks are called \(name)")
    let keys = Self.keys(of: defaults)
    entries.append(
      Entry(name: name, summary: summary, keys: keys.keys.sorted()) { settings, shown, place in
        let options = try Self.options(defaults, keys: keys, settings, attack: name)
        return try make(options, shown, place)
      })
  }

  /// Adds a name for a text of one attack with settings.
  public mutating func addPreset(_ name: String, _ text: String) {
    precondition(!names.contains(name), "two attacks are called \(name)")
    presets.append(Preset(name: name, text: text))
  }

  /// Every name that a text may begin with.
  public var names: [String] { entries.map(\.name) + presets.map(\.name) }

  /// The attack that a text stands for; its name in results is the text.
  ///
  /// - Parameters:
  ///   - text: `NAME`, `NAME:key=value,...` or a chain of these.
  ///   - environment: what attacks share.
  /// - Returns: the attack, checked and ready to run.
  /// - Throws: `RemovalError` naming the nearest valid name; `RecipeError.setting`.
  public func attack(_ text: String, environment: RemovalEnvironment = RemovalEnvironment()) throws
    -> any RemovalAttack
  {
    let links = text.split(separator: "+", omittingEmptySubsequences: false).map(String.init)
    let attacks = try links.map { try single($0, environment) }
    for (attack, next) in zip(attacks, attacks.dropFirst())
    where (attack as? any DescribedRemovalAttack)?.endsChain == true {
      throw RemovalError.endOfChain(attack.name, next: next.name)
    }
    return attacks.count == 1 ? attacks[0] : RemovalChain(attacks, name: text)
  }

  private func single(_ text: String, _ environment: RemovalEnvironment) throws
    -> any RemovalAttack
  {
    let (name, settings) = try Self.parts(text)
    if let entry = entries.first(where: { $0.name == name }) {
      return try entry.make(settings, text, environment)
    }
    guard let preset = presets.first(where: { $0.name == name }) else {
      throw RemovalError.unknownAttack(
        name, nearest: nearestName(to: name, in: names), valid: names)
    }
    let (base, own) = try Self.parts(preset.text)
    guard let entry = entries.first(where: { $0.name == base }) else {
      preconditionFailure("the preset \(name) stands for \(base), which is no attack")
    }
    return try entry.make(own + settings, text, environment)
  }

  /// Name and settings of one link.
  private static func parts(_ text: String) throws -> (String, [Setting]) {
    guard let colon = text.firstIndex(of: ":") else { return (text, []) }
    let name = String(text[..<colon])
    let settings = try text[text.index(after: colon)...].split(separator: ",").map { part in
      guard let equals = part.firstIndex(of: "="), equals != part.startIndex else {
        throw RemovalError.notASetting(String(part), attack: name)
      }
      return Setting(
        key: String(part[..<equals]), value: String(part[part.index(after: equals)...]))
    }
    return (name, settings)
  }

  /// The keys of some options with their paths in the settings.
  private static func keys(of options: some Encodable) -> [String: String] {
    guard let tree = try? RecipeTree(defaults: options), case .object(let members) = tree.root
    else { preconditionFailure("the options of an attack are a table") }
    var keys: [String: String] = [:]
    for (key, value) in members {
      if key == "training", case .object(let inner) = value {
        for name in inner.keys { keys[name] = "training.\(name)" }
      } else {
        keys[key] = key
      }
    }
    return keys
  }

  private static func options<Options: Codable>(
    _ defaults: Options, keys: [String: String], _ settings: [Setting], attack: String
  ) throws -> Options {
    var tree = try RecipeTree(defaults: defaults)
    for setting in settings {
      guard let path = keys[setting.key] else {
        throw RemovalError.unknownSetting(
          setting.key, attack: attack,
          nearest: nearestName(to: setting.key, in: keys.keys.sorted()),
          valid: keys.keys.sorted())
      }
      do {
        try tree.overlay(assignment: "\(path)=\(setting.value)")
      } catch RecipeError.wrongType(_, _, let expected, let found) {
        throw RemovalError.unfit(
          attack: attack, reason: "'\(setting.key)' should be \(expected), but is \(found)")
      }
    }
    do {
      return try tree.settings(as: Options.self)
    } catch RecipeError.unfit(let cause) {
      throw RemovalError.unfit(attack: attack, reason: cause)
    }
  }
}
