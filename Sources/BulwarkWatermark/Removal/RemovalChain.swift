import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Two or more attacks one after the other: each works on the surrogate of the one before.
public struct RemovalChain: ResumableRemovalAttack, DescribedRemovalAttack {
  /// Name in results: the names of the links with `+` between them.
  public let name: String
  /// The attacks in order.
  public let links: [any RemovalAttack]

  /// A chain.
  ///
  /// - Parameters:
  ///   - links: the attacks in order, at least two; only the first can ask the owner's server.
  ///   - name: name in results; by default the links' names with `+` between them.
  public init(_ links: [any RemovalAttack], name: String? = nil) {
    precondition(links.count >= 2, "a chain has at least two links")
    self.links =
      links.prefix(1)
      + links.dropFirst().map { ($0 as? any DescribedRemovalAttack)?.unserved ?? $0 }
    self.name = name ?? links.map(\.name).joined(separator: "+")
  }

  /// The settings of every link.
  public var settings: JSONValue {
    [
      "chain": .array(
        links.map { ($0 as? any DescribedRemovalAttack)?.settings ?? .string($0.name) })
    ]
  }

  /// The remarks of the links.
  public var remark: String {
    links.compactMap { ($0 as? any DescribedRemovalAttack)?.remark }.filter { !$0.isEmpty }
      .joined(separator: "; ")
  }

  /// Whether any link does.
  public var needsOtherImages: Bool {
    links.contains { ($0 as? any DescribedRemovalAttack)?.needsOtherImages == true }
  }

  /// Whether any link does.
  public var resetsLastLayer: Bool {
    links.contains { ($0 as? any DescribedRemovalAttack)?.resetsLastLayer == true }
  }

  /// Whether the first link does.
  public var asksServer: Bool { (links.first as? any DescribedRemovalAttack)?.asksServer == true }

  /// A chain whose links all find a model that no server stands before.
  public var unserved: any RemovalAttack {
    RemovalChain(
      links.map { ($0 as? any DescribedRemovalAttack)?.unserved ?? $0 }, name: name)
  }

  /// Whether the last link does.
  public var endsChain: Bool { (links.last as? any DescribedRemovalAttack)?.endsChain == true }

  /// As every link would, the last one first: its surrogate stands behind what the links before it built.
  public func served(_ images: ImageDataset, data: TrainingData) throws -> ImageDataset {
    try links.reduce(images) { current, link in
      try (link as? any DescribedRemovalAttack)?.served(current, data: data) ?? current
    }
  }

  /// That of the last link.
  public func surrogateArchitecture(of model: Architecture, side: Int) throws -> Architecture {
    try links.reduce(model) { current, link in
      try (link as? any DescribedRemovalAttack)?.surrogateArchitecture(of: current, side: side)
        ?? current
    }
  }

  private static let owner = "removal_chain"

  /// Runs the links that are left.
  public func surrogate(
    of model: ImageClassifier, data: TrainingData, session: TrainingSession,
    resuming checkpoint: Checkpoint?
  ) throws -> ImageClassifier {
    var (current, first, inner) = (model, 0, Checkpoint?.none)
    if let checkpoint {
      (current, first, inner) = try restored(checkpoint, model, session)
    }
    for place in first..<links.count {
      let start = current
      let seed = session.key.stream("removal/link-\(place)").value
      let part = try session.sibling(seed: seed) { snapshot in
        try session.keep { try wrapped(snapshot, place: place, start: start, model, session) }
      }
      if let link = links[place] as? any ResumableRemovalAttack {
        current = try link.surrogate(of: start, data: data, session: part, resuming: inner)
      } else {
        current = try links[place].surrogate(of: start, data: data, session: part)
      }
      inner = nil
    }
    return current
  }

  /// A link's checkpoint with what the link started from.
  private func wrapped(
    _ snapshot: Checkpoint, place: Int, start: ImageClassifier, _ model: ImageClassifier,
    _ session: TrainingSession
  ) throws -> Checkpoint {
    var checkpoint = snapshot
    checkpoint.states["\(Self.owner)/\(place)"] =
      StateDict(try start.state.snapshot().map { ($0.name, $0.tensor) })
    checkpoint.notes = [
      Self.owner: [
        "name": .string(name), "settings": settings, "place": .int(place),
        "seed": .unsigned(session.seed), "model": .string(try model.weightDigest()),
        "start": try JSONValue(encoding: start.architecture), "inner": snapshot.notes,
      ]
    ]
    return checkpoint
  }

  private func restored(
    _ checkpoint: Checkpoint, _ model: ImageClassifier, _ session: TrainingSession
  ) throws -> (ImageClassifier, Int, Checkpoint?) {
    guard let notes = checkpoint.notes[Self.owner], notes["name"] == .string(name),
      notes["settings"] == settings, case .int(let place)? = notes["place"],
      try notes["seed"]?.decode(as: UInt64.self) == session.seed,
      try notes["model"] == .string(model.weightDigest()),
      let weights = checkpoint.states["\(Self.owner)/\(place)"],
      let architecture = try notes["start"]?.decode(as: Architecture.self)
    else { throw CheckpointUseError.otherRun("its chain of attacks, model or seed differs") }
    let start = try architecture.build(key: RandomKey(seed: 0), device: session.device)
    try start.state.load(weights.pairs.map { (name: $0.0, tensor: $0.1) })
    var inner = checkpoint
    inner.states["\(Self.owner)/\(place)"] = nil
    inner.notes = notes["inner"] ?? .null
    return (start, place, inner)
  }
}
