import BulwarkStore
import BulwarkTensor
import Foundation
import Yams

/// A recipe as a tree of keys, before it becomes typed settings.
///
/// A tree starts as the defaults of the settings it is for; a file and `--set key=value` overrides
/// are laid over it. Only keys that the defaults have are accepted, so a typo is an error.
public struct RecipeTree: Sendable, Equatable {
  /// The settings, every key present, in snake case.
  public private(set) var root: JSONValue
  /// Paths of the settings whose default is `null`: they take a number or `null`.
  private let optional: Set<String>
  /// The tree that all keys came from.
  private let defaults: JSONValue

  /// The defaults of some settings.
  public init<Settings: Encodable>(defaults: Settings) throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    let root = try JSONDecoder().decode(JSONValue.self, from: encoder.encode(defaults))
    self.root = root
    self.defaults = root
    optional = Set(RecipeTree.nullPaths(in: root, at: ""))
  }

  /// Lays the keys of a YAML text over the tree.
  ///
  /// - Parameters:
  ///   - text: the YAML text.
  ///   - file: name for error messages.
  /// - Throws: `RecipeError` for text that is not YAML, for an unknown key and for a wrong type.
  public mutating func overlay(yaml text: String, file: String) throws {
    guard let parsed = try RecipeTree.parsed(text, file: file) else { return }
    root = try merged(root, with: RecipeTree.json(parsed, file: file), path: "", file: file)
  }

  private static func parsed(_ text: String, file: String) throws -> Any? {
    do {
      return try Yams.load(yaml: text, .default, constructor)
    } catch {
      throw RecipeError.notYAML(file: file, cause: "\(error)")
    }
  }

  /// Yams' own, but for whole numbers beyond `Int.max`, of which that makes texts.
  private static var constructor: Constructor {
    var scalars = Constructor.defaultScalarMap
    scalars[.int] = { scalar in
      if let value = Int.construct(from: scalar) { return value }
      return UInt64.construct(from: scalar)
    }
    return Constructor(scalars)
  }

  /// The value of a key at the top of a YAML text, as text; nil when there is none or the text is not
  /// YAML, which `overlay` reports.
  public static func text(of key: String, in yaml: String) -> String? {
    ((try? Yams.load(yaml: yaml)) as? [String: Any])?[key].map { "\($0)" }
  }

  /// Lays one `key.path=value` over the tree; the value is read as YAML.
  public mutating func overlay(assignment: String) throws {
    guard let equals = assignment.firstIndex(of: "="), equals != assignment.startIndex else {
      throw RecipeError.badAssignment(assignment)
    }
    let keys = assignment[..<equals].split(separator: ".").map(String.init)
    let text = String(assignment[assignment.index(after: equals)...])
    var value = try RecipeTree.json(RecipeTree.parsed(text, file: "--set") ?? "", file: "--set")
    for key in keys.reversed() { value = .object([key: value]) }
    root = try merged(root, with: value, path: "", file: "--set")
  }

  /// The typed settings.
  ///
  /// - Parameter type: of the settings.
  /// - Returns: the settings.
  /// - Throws: `RecipeError.setting` for a number that its setting cannot hold, `RecipeError.unfit` for
  ///   anything else that does not fit the type.
  public func settings<Settings: Decodable>(as type: Settings.Type = Settings.self) throws
    -> Settings
  {
    do {
      return try RecipeTree.decode(type, root)
    } catch let error as DecodingError {
      if let (path, value) = misfit(type) {
        throw RecipeError.setting(
          path, expected: "a whole number in the setting's range", found: value)
      }
      throw RecipeError.unfit(cause: RecipeTree.describe(error))
    }
  }

  private static func decode<Settings: Decodable>(_ type: Settings.Type, _ value: JSONValue) throws
    -> Settings
  {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data(value.text().utf8))
  }

  /// The number without which the tree can be decoded: the decoder does not say where it stands.
  private func misfit<Settings: Decodable>(_ type: Settings.Type) -> (path: String, value: String)?
  {
    func search(
      _ value: JSONValue, _ known: JSONValue, _ path: String,
      _ whole: (JSONValue) -> JSONValue
    ) -> (path: String, value: String)? {
      switch (value, known) {
      case (.object(let members), .object(let others)):
        for (key, member) in members.sorted(by: { $0.key < $1.key }) {
          guard let other = others[key] else { continue }
          let found = search(member, other, RecipeTree.child(key, of: path)) {
            whole(.object(members.merging([key: $0]) { $1 }))
          }
          if let found { return found }
        }
        return nil
      case (.int, _), (.double, _), (.unsigned, _):
        guard value != known, (try? RecipeTree.decode(type, whole(known))) != nil else {
          return nil
        }
        return (path, (try? value.text()) ?? "another")
      default: return nil
      }
    }
    return search(root, defaults, "") { $0 }
  }

  /// The whole tree as YAML with sorted keys: the resolved recipe.
  public func yaml() throws -> String {
    try Yams.serialize(node: RecipeTree.node(root))
  }

  private static func node(_ value: JSONValue) throws -> Node {
    switch value {
    case .null: Node("null", Tag(.null))
    case .bool(let value): try value.represented()
    case .int(let value): try value.represented()
    case .unsigned(let value): try value.represented()
    // Yams itself would write 2e-1 for 0.2.
    case .double(let value): Node("\(value)", Tag(.float))
    case .string(let value): try value.represented()
    case .array(let values): Node(try values.map(node), Tag(.seq))
    case .object(let members):
      Node(
        try members.sorted { $0.key < $1.key }.map {
          (try $0.key.represented(), try node($0.value))
        },
        Tag(.map))
    }
  }

  private static func describe(_ error: DecodingError) -> String {
    switch error {
    case .dataCorrupted(let context), .keyNotFound(_, let context),
      .typeMismatch(_, let context), .valueNotFound(_, let context):
      let path = context.codingPath.map(\.stringValue).joined(separator: ".")
      return "\(path.isEmpty ? "recipe" : path): \(context.debugDescription)"
    @unknown default: return "\(error)"
    }
  }

  private static func json(_ value: Any, file: String) throws -> JSONValue {
    switch value {
    case let value as [AnyHashable: Any]:
      var members: [String: JSONValue] = [:]
      for (key, member) in value { members["\(key)"] = try json(member, file: file) }
      return .object(members)
    case let value as [Any]: return .array(try value.map { try json($0, file: file) })
    case let value as Bool: return .bool(value)
    case let value as Int: return .int(value)
    case let value as UInt64: return .unsigned(value)
    case let value as Double where value.isFinite: return .double(value)
    // Named as it is written: no setting is infinite, and JSON has no word for it.
    case let value as Double: return .string("\(value)")
    case let value as String: return .string(value)
    case is NSNull: return .null
    default: throw RecipeError.notYAML(file: file, cause: "a value of type \(type(of: value))")
    }
  }

  private static func child(_ key: String, of path: String) -> String {
    path.isEmpty ? key : "\(path).\(key)"
  }

  private static func nullPaths(in value: JSONValue, at path: String) -> [String] {
    switch value {
    case .null: [path]
    case .object(let members):
      members.flatMap { nullPaths(in: $0.value, at: child($0.key, of: path)) }
    default: []
    }
  }

  private func merged(
    _ base: JSONValue, with over: JSONValue, path: String, file: String
  ) throws -> JSONValue {
    func child(_ key: String) -> String { RecipeTree.child(key, of: path) }
    func tooLong(_ number: String) -> RecipeError {
      .wrongType(path, file: file, expected: "a number of fewer than 19 digits", found: number)
    }
    if case .double(let value) = over, abs(value) >= 0x1p63 { throw tooLong("\(value)") }
    if optional.contains(path) {
      switch over {
      case .null, .int, .unsigned, .double: return over
      default:
        throw RecipeError.wrongType(
          path, file: file, expected: "a number or null", found: RecipeTree.kind(over))
      }
    }
    switch (base, over) {
    case (.object(var members), .object(let others)):
      for (key, value) in others {
        guard let known = members[key] else {
          throw RecipeError.unknownKey(
            child(key), file: file, nearest: nearestName(to: key, in: members.keys.sorted()),
            known: members.keys.sorted())
        }
        members[key] = try merged(known, with: value, path: child(key), file: file)
      }
      return .object(members)
    case (.double, .int(let value)): return .double(Double(value))
    case (.int, .double(let value)) where Int(exactly: value) != nil:
      return Int(exactly: value).map(JSONValue.int) ?? over
    // A default such as 1.0 is stored as a whole number; any number may stand there.
    case (.int, .double), (.int, .unsigned), (.double, .double), (.int, .int), (.bool, .bool),
      (.string, .string),
      (.array, .array):
      return over
    // A whole number that was set before, such as a seed, may be beyond `Int.max`.
    case (.unsigned, .double), (.unsigned, .unsigned), (.unsigned, .int): return over
    case (.double, .unsigned(let value)): throw tooLong("\(value)")
    case (.string, .int(let value)): return .string("\(value)")
    case (.string, .unsigned(let value)): return .string("\(value)")
    default:
      throw RecipeError.wrongType(
        path, file: file, expected: RecipeTree.kind(base), found: RecipeTree.kind(over))
    }
  }

  private static func kind(_ value: JSONValue) -> String {
    switch value {
    case .null: "nothing"
    case .bool: "true or false"
    case .int, .unsigned, .double: "a number"
    case .string: "text"
    case .array: "a list"
    case .object: "a group of keys"
    }
  }
}
