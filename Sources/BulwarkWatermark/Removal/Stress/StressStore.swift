import BulwarkStore
import BulwarkTraining
import Foundation

/// The folder in which a stress run keeps what it has done: a row for every finished attack, a
/// checkpoint of the one that runs.
public struct StressStore: Sendable {
  /// The folder.
  public let folder: String
  /// Whether the surrogates themselves are kept, as far as checkpoints can hold them.
  public let keepsSurrogates: Bool
  /// Such a folder of an earlier run, only read: its surrogates are measured again instead of made again. nil for
  /// none.
  public let earlier: String?
  /// Whether nobody but the owner may read the rows (mode 0600): settings of attacks can tell a key's class.
  public let isPrivate: Bool

  /// Keeps everything below `folder`, which must exist, and takes surrogates from `earlier`, too.
  public init(
    folder: String, keepsSurrogates: Bool = false, earlier: String? = nil, isPrivate: Bool = false
  ) {
    self.folder = folder
    self.keepsSurrogates = keepsSurrogates
    self.earlier = earlier
    self.isPrivate = isPrivate
  }

  /// How a surrogate was made: what must be equal for it to count, and the seconds it took.
  struct Making: Codable {
    var identity: String
    var seconds: Double
  }

  private struct KeptRow: Codable {
    var identity: String
    var row: StressReport.Row
  }

  /// The row of an attack that was finished under the same identity; nil otherwise.
  func row(of attack: String, identity: String) -> StressReport.Row? {
    guard let kept: KeptRow = read(path(attack, "json")), kept.identity == identity else {
      return nil
    }
    return kept.row
  }

  /// Keeps the row of a finished attack; its checkpoint is no longer needed.
  func keep(_ row: StressReport.Row, identity: String) throws {
    try write(KeptRow(identity: identity, row: row), to: path(row.attack, "json"))
    for ending in ["partial.h5", "partial.json"] {
      try? FileManager.default.removeItem(atPath: path(row.attack, ending))
    }
  }

  /// What an interrupted attack saved under the same identity, and the seconds it had taken.
  func partial(of attack: String, identity: String) throws -> (Checkpoint, Double)? {
    let file = path(attack, "partial.h5")
    guard let time: Making = read(path(attack, "partial.json")), time.identity == identity,
      FileManager.default.fileExists(atPath: file)
    else { return nil }
    return (try Checkpoint(reading: file), time.seconds)
  }

  /// Saves a running attack.
  func save(_ checkpoint: Checkpoint, of attack: String, identity: String, seconds: Double) throws {
    try checkpoint.write(to: path(attack, "partial.h5"), overwrite: true, isPrivate: isPrivate)
    try write(Making(identity: identity, seconds: seconds), to: path(attack, "partial.json"))
  }

  private static let note = "removal_attack"

  /// Keeps a surrogate; without `making` no later run takes it over.
  func keep(_ surrogate: Checkpoint, of attack: String, making: Making?) throws {
    var surrogate = surrogate
    if let making { surrogate.notes = .object([Self.note: try JSONValue(encoding: making)]) }
    try surrogate.write(to: self.surrogate(attack), overwrite: true)
  }

  /// The surrogate of an attack that was made so, here or by the earlier run, and the seconds it took.
  ///
  /// - Throws: `StoreError` for a file that cannot be read.
  func made(of attack: String, making: String?) throws -> (checkpoint: Checkpoint, seconds: Double)?
  {
    guard let making else { return nil }
    for folder in [folder] + (earlier.map { [$0] } ?? []) {
      let file = StressStore(folder: folder).surrogate(attack)
      guard FileManager.default.fileExists(atPath: file) else { continue }
      let checkpoint = try Checkpoint(reading: file)
      guard let kept = try checkpoint.notes[Self.note]?.decode(as: Making.self),
        kept.identity == making
      else { continue }
      return (checkpoint, kept.seconds)
    }
    return nil
  }

  /// Where the surrogate of an attack is kept.
  public func surrogate(_ attack: String) -> String { path(attack, "h5") }

  /// The attack's name as a file name: letters, digits, `.`, `-` and `_`, and eight digits of its digest
  /// where anything had to be replaced.
  private func path(_ attack: String, _ ending: String) -> String {
    let plain = attack.map { character -> Character in
      character.isASCII && (character.isLetter || character.isNumber || ".-_".contains(character))
        ? character : "-"
    }
    let name = String(plain)
    let suffix = name == attack ? "" : "-\(SHA256Digest(of: attack).description.prefix(8))"
    return "\(folder)/\(name.prefix(100))\(suffix).\(ending)"
  }

  private func read<Value: Decodable>(_ path: String) -> Value? {
    FileManager.default.contents(atPath: path).flatMap {
      try? JSONDecoder().decode(Value.self, from: $0)
    }
  }

  private func write(_ value: some Encodable, to path: String) throws {
    let text = try JSONValue.text(of: value) + "\n"
    try AtomicFile.write(Data(text.utf8), to: path, overwrite: true, isPrivate: isPrivate)
  }
}
