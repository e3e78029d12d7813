import BulwarkData
import BulwarkTensor
import BulwarkTraining
import Foundation

/// What a user wants forgotten, before it is a list of positions.
public enum ForgetTarget: Sendable, Hashable {
  /// Samples at these positions, with a name for the list.
  case positions([Int], origin: String)
  /// All samples with this label or class name.
  case `class`(String)
  /// This share of all samples, or of one class, drawn without replacement.
  case fraction(Double, of: String?, seed: UInt64)
  /// All samples whose file lies below a folder of this name or path.
  case source(String)

  /// The positions in a training set.
  ///
  /// A fraction takes floor(share · n) samples of the keyed permutation (seed, "forget"), as the
  /// official code draws them (SalUn, `dataset.py`: choice without replacement).
  ///
  /// - Parameters:
  ///   - train: the training set.
  ///   - gone: positions of samples that the model does not know: they are not drawn, and what the target does
  ///     not name of them is not retained either.
  /// - Returns: the checked set.
  /// - Throws: `UnlearningError` when the target names nothing, everything or something unknown.
  public func resolved(in train: ImageDataset, gone: [Int] = []) throws -> ForgetSet {
    let named = try named(in: train, gone: Set(gone))
    return gone.isEmpty ? named : try named.with(gone: gone)
  }

  private func named(in train: ImageDataset, gone: Set<Int>) throws -> ForgetSet {
    switch self {
    case .positions(let positions, let origin):
      return try ForgetSet(positions, of: train.count, origin: origin)
    case .class(let name):
      let label = try ForgetTarget.label(of: name, in: train)
      return try ForgetSet(
        train.labels.indices.filter { train.labels[$0] == label }, of: train.count,
        origin: "class \(train.classNames[label])")
    case .fraction(let share, let name, let seed):
      try SettingCheck().require(
        share > 0 && share < 1, "forget", "a share between 0 and 1", share)
      let label = try name.map { try ForgetTarget.label(of: $0, in: train) }
      let candidates = train.labels.indices.filter {
        (label == nil || train.labels[$0] == label) && !gone.contains($0)
      }
      let order = try RandomKey(seed: seed).stream("forget").permutation(candidates.count)
      // 0.29 of 100 are 29, though the product of the two doubles is a little less.
      let count = Int(share * Double(candidates.count) + 1e-9)
      let chosen = try order.integers().prefix(count).map { candidates[$0] }
      let base = label.map { "class \(train.classNames[$0])" } ?? "all samples"
      return try ForgetSet(
        chosen, of: train.count, origin: "a random \(share) of \(base), seed \(seed)")
    case .source(let folder):
      guard let sources = train.sources else {
        throw UnlearningError.unknownSource(folder, isRecorded: false)
      }
      let wanted = folder.split(separator: "/")
      let members = sources.indices.filter {
        ForgetTarget.isBelow(sources[$0].split(separator: "/"), wanted)
      }
      guard !members.isEmpty else {
        throw UnlearningError.unknownSource(folder, isRecorded: true)
      }
      return try ForgetSet(members, of: train.count, origin: "source folder \(folder)")
    }
  }

  /// Whether the folders of a path hold those of `wanted` in a row.
  private static func isBelow(_ path: [Substring], _ wanted: [Substring]) -> Bool {
    let folders = path.dropLast()
    guard !wanted.isEmpty, folders.count >= wanted.count else { return false }
    return (0...folders.count - wanted.count).contains {
      Array(folders.dropFirst($0).prefix(wanted.count)) == wanted
    }
  }

  private static func label(of name: String, in train: ImageDataset) throws -> Int {
    if let label = train.classNames.firstIndex(of: name) { return label }
    if let label = Int(name), train.classNames.indices.contains(label) { return label }
    throw UnlearningError.unknownClass(
      name, valid: train.classNames, nearest: nearestName(to: name, in: train.classNames))
  }
}

extension ForgetTarget {
  /// Reads the target as it is written on the command line and in recipes.
  ///
  /// | text | target |
  /// |---|---|
  /// | `class:NAME` | a class, by name or label |
  /// | `random:0.1`, `random:0.1:7`, `random:0.5@cat` | a share, its seed, its class |
  /// | `source:FOLDER` | samples from a folder |
  /// | `indices:4,8,15` | these positions |
  /// | anything else | the path of a list (`ForgetListFile`) |
  ///
  /// - Parameters:
  ///   - text: the target.
  ///   - seed: of a random share that names none.
  /// - Throws: `RecipeError.setting` for a number that cannot be read; whatever
  ///   `ForgetListFile.read` throws.
  public init(parsing text: String, seed: UInt64) throws {
    func rest(_ prefix: String) -> String? {
      text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : nil
    }
    if let name = rest("class:") {
      self = .class(name)
    } else if let folder = rest("source:") {
      self = .source(folder)
    } else if let list = rest("indices:") {
      self = .positions(
        try list.split(separator: ",").map { try ForgetTarget.number(String($0), key: text) },
        origin: "the list '\(list)'")
    } else if let draw = rest("random:") {
      let halves = draw.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        .map(String.init)
      let parts = halves[0].split(separator: ":", omittingEmptySubsequences: false)
        .map(String.init)
      guard parts.count <= 2 else {
        throw ForgetTarget.malformed("'\(text)', with more than a share and a seed")
      }
      if halves.count > 1, halves[1].isEmpty {
        throw ForgetTarget.malformed("'\(text)', with no class behind '@'")
      }
      let share: Double = try ForgetTarget.number(parts[0], key: text)
      let own: UInt64? = try parts.count > 1 ? ForgetTarget.number(parts[1], key: text) : nil
      self = .fraction(share, of: halves.count > 1 ? halves[1] : nil, seed: own ?? seed)
    } else {
      self = .positions(try ForgetListFile.read(text), origin: text)
    }
  }

  private static func number<Number: LosslessStringConvertible>(_ text: String, key: String) throws
    -> Number
  {
    guard let value = Number(text.trimmingCharacters(in: .whitespaces)) else {
      throw malformed("'\(key)', with '\(text)' where a number belongs")
    }
    return value
  }

  private static func malformed(_ found: String) -> RecipeError {
    .setting(
      "forget",
      expected: "class:NAME, random:SHARE[:SEED][@CLASS], source:FOLDER, indices:1,2,3 or a file",
      found: found)
  }
}
