import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Runs removal attacks on a model and reads every key after each of them.
///
/// Each attack draws from random numbers of its own, named after it, so that neither its place in the
/// list nor an interruption changes what it does.
public struct StressSuite {
  /// The attacks in order.
  public let attacks: [any RemovalAttack]
  /// The keys; the first of role `own` is the one that the table shows.
  public let marks: [StressMark]
  /// Accuracy that an attack may lose before it is marked, 0...1.
  public let margin: Double
  /// What "above every foreign key" compares in a surrogate's row.
  public let keyRank: RankTest.KeyRank
  /// Models without any mark, a population for each architecture of surrogates. Surrogates of other
  /// architectures get no p-value.
  public let nulls: [NullScores]
  /// Whatever else decides the result, by contents and not by path: rows that were kept under another
  /// context are not used.
  public let context: String
  /// What decides the surrogates beside the settings of the attacks, by contents: views, other images. Kept
  /// surrogates of other means are not measured in the place of new ones.
  public let means: String
  /// What the owner's server does to the stolen model's answers; nil where the mark is in the model. Surrogates answer
  /// by themselves.
  public let server: CosineChange?

  /// Describes a run.
  ///
  /// - Parameters:
  ///   - attacks: each with a name of its own.
  ///   - marks: each with a name of its own.
  ///   - margin: accuracy that an attack may lose; 0.05 as in the SoK (Lukas et al. 2022). Surrogates of another
  ///     architecture are held against its null models, where these are less accurate than the stolen model.
  ///   - keyRank: what the owner's key must lead all others in, on a surrogate: as `VerificationOptions.keyRank`.
  ///   - nulls: a population for each architecture of `surrogates(of:side:attacks:)`; none give no
  ///     p-values.
  ///   - context: of settings, views and other images, for instance the digest of a recipe and the
  ///     fingerprint of the images.
  ///   - means: of views and other images.
  ///   - server: through which the stolen model is read, and through which attacks that only ask it must ask it.
  public init(
    attacks: [any RemovalAttack], marks: [StressMark], margin: Double = 0.05,
    keyRank: RankTest.KeyRank = .excess, nulls: [NullScores] = [], context: String = "",
    means: String = "", server: CosineChange? = nil
  ) {
    precondition(
      Set(attacks.map(\.name)).count == attacks.count, "attacks have names of their own")
    self.attacks = attacks
    self.marks = marks
    self.margin = margin
    self.keyRank = keyRank
    self.nulls = nulls
    self.context = context
    self.means = means
    self.server = server
  }

  /// The architectures of a model and of what attacks make of it.
  ///
  /// - Parameters:
  ///   - model: the stolen model's.
  ///   - side: pixels along the shorter side of an image.
  ///   - attacks: those without a description keep the network.
  /// - Returns: each architecture once, the model's own first.
  /// - Throws: `RecipeError.setting`.
  public static func surrogates(
    of model: Architecture, side: Int, attacks: [any RemovalAttack]
  ) throws -> [Architecture] {
    try attacks.reduce(into: [model]) { found, attack in
      let one =
        try (attack as? any DescribedRemovalAttack)?.surrogateArchitecture(of: model, side: side)
        ?? model
      if !found.contains(one) { found.append(one) }
    }
  }

  /// Runs every attack that the store has no row of.
  ///
  /// - Parameters:
  ///   - model: the stolen model, which is left as it was.
  ///   - data: the attacker's images; test images must be there.
  ///   - store: keeps rows and checkpoints; nil keeps nothing.
  ///   - session: device, precision, seed, events, a way to be stopped.
  ///   - finished: told every row, and whether it was kept from an earlier run.
  /// - Returns: the report.
  /// - Throws: `RemovalError.images` without test images; `TrainingInterrupted` when the session was
  ///   asked to stop, after a checkpoint; what the attacks throw, but for errors of category `failure`,
  ///   which the report names.
  public func run(
    on model: ImageClassifier, data: TrainingData, store: StressStore? = nil,
    session: TrainingSession, finished: (StressReport.Row, _ wasKept: Bool) -> Void = { _, _ in }
  ) throws -> StressReport {
    guard let test = data.evaluator.test else {
      throw RemovalError.images("without test images no accuracy can be measured")
    }
    let meter = StressMeter(
      test: test, normalization: data.normalization, marks: marks, nulls: nulls, margin: margin,
      keyRank: keyRank, session: session)
    var base = try meter.measure(
      model, attack: StressReport.untouched, settings: .null,
      remark: server == nil ? "the model itself" : "the model behind its owner's server",
      before: nil, through: server)
    base.seed = session.seed
    finished(base, false)
    // What is done to weights changes the model alone, which no server stands before.
    let bare =
      server == nil
      ? base
      : try meter.measure(
        model, attack: StressReport.untouched, settings: .null, remark: "", before: nil)
    let digest = try model.weightDigest()
    var rows = [base]
    var failures: [StressReport.Failure] = []
    for attack in attacks {
      let origin = try origin(of: attack, digest, data, session)
      let (making, identity) = try (making(of: attack, origin), identity(origin, data))
      if let kept = store?.row(of: attack.name, identity: identity) {
        rows.append(kept)
        finished(kept, true)
        continue
      }
      do {
        let row = try perform(
          attack, on: model, data: data, store: store, making: making, identity: identity,
          meter: meter, base: isServed(attack) ? base : bare, session: session)
        try store?.keep(row, identity: identity)
        rows.append(row)
        finished(row, false)
      } catch let error as any BulwarkError where error.category == .failure {
        session.tell(.note("\(attack.name) failed: \(error.summary)"))
        failures.append(.init(attack: attack.name, reason: error.summary))
      }
    }
    return StressReport(
      rows: rows, failures: failures, margin: margin, classNames: test.classNames,
      testImages: test.count,
      modelDigest: digest, nulls: nulls)
  }

  /// Whether an attack learns from answers that the owner's server changed.
  private func isServed(_ attack: any RemovalAttack) -> Bool {
    (attack as? any DescribedRemovalAttack)?.asksServer == true
  }

  private func perform(
    _ attack: any RemovalAttack, on model: ImageClassifier, data: TrainingData,
    store: StressStore?, making: String?, identity: String, meter: StressMeter,
    base: StressReport.Row,
    session: TrainingSession
  ) throws -> StressReport.Row {
    let seed = session.key.stream("attack/\(attack.name)").value
    let (surrogate, seconds) = try surrogate(
      of: attack, on: model, data: data, store: store, making: making, identity: identity,
      seed: seed, session: session)
    let described = attack as? any DescribedRemovalAttack
    if let store, store.keepsSurrogates {
      if described?.endsChain == true {
        session.tell(
          .note("\(attack.name): not kept, since a checkpoint cannot hold what was measured"))
      } else {
        try store.keep(
          surrogate.checkpoint(data: data), of: attack.name,
          making: making.map { StressStore.Making(identity: $0, seconds: seconds) })
      }
    }
    let served = { try described?.served($0, data: data) ?? $0 }
    let isJudged = server == nil || isServed(attack)
    var row = try meter.measure(
      surrogate, attack: attack.name, settings: described?.settings ?? .null,
      remark: [described?.remark ?? "", isJudged ? "" : "not judged, since weights carry no mark"]
        .filter { !$0.isEmpty }.joined(separator: "; "), before: base, served: served,
      isJudged: isJudged)
    if described?.resetsLastLayer == true {
      row.ownWithOriginalLastLayer = try meter.ownScore(
        surrogate, withLastLayerOf: model, served: served)
    }
    row.seconds = seconds
    row.seed = seed
    return row
  }

  /// The surrogate of an attack, made here or by an earlier run, and the seconds that making it took.
  private func surrogate(
    of attack: any RemovalAttack, on model: ImageClassifier, data: TrainingData,
    store: StressStore?, making: String?, identity: String, seed: UInt64, session: TrainingSession
  ) throws -> (ImageClassifier, Double) {
    if let made = try store?.made(of: attack.name, making: making) {
      session.tell(.note("\(attack.name): the surrogate of an earlier run is measured again"))
      return (
        try ImageClassifier.restored(from: made.checkpoint, device: session.device), made.seconds
      )
    }
    // How it is measured does not matter to what is half made.
    let identity = making ?? identity
    let partial = try store?.partial(of: attack.name, identity: identity)
    let begin = ContinuousClock.now
    func seconds() -> Double {
      let spent = (ContinuousClock.now - begin).components
      return (partial?.1 ?? 0) + Double(spent.seconds) + Double(spent.attoseconds) * 1e-18
    }
    let part = try session.sibling(
      seed: seed,
      save: store.map { store in
        {
          try store.save($0, of: attack.name, identity: identity, seconds: seconds())
        }
      })
    let surrogate =
      if let resumable = attack as? any ResumableRemovalAttack {
        try resumable.surrogate(of: model, data: data, session: part, resuming: partial?.0)
      } else {
        try attack.surrogate(of: model, data: data, session: part)
      }
    return (surrogate, seconds())
  }

  /// To be raised with every change after which equal attacks make other surrogates.
  private static let revision = 3
  /// To be raised with every change after which equal surrogates are measured otherwise. 2: every carrier counts once;
  /// 3: signals are read by ranks; 4: keys lead others by what is beyond null models; 5: tilted answers by their lean, too.
  private static let measuring = 5

  /// Whether the store holds the surrogate of an attack, so that it need not be made.
  ///
  /// - Parameters:
  ///   - attack: one of `attacks`.
  ///   - model: the stolen model.
  ///   - data: the attacker's images.
  ///   - store: where surrogates may be kept.
  ///   - session: seed and precision.
  /// - Returns: false for attacks without a description, whose settings nobody can compare.
  /// - Throws: `StoreError` for a file that cannot be read; `TensorError`.
  public func isMade(
    _ attack: any RemovalAttack, on model: ImageClassifier, data: TrainingData,
    store: StressStore, session: TrainingSession
  ) throws -> Bool {
    let origin = try origin(of: attack, model.weightDigest(), data, session)
    return try store.made(of: attack.name, making: making(of: attack, origin)) != nil
  }

  /// What decides a surrogate, as far as an attack says what it does.
  private func origin(
    of attack: any RemovalAttack, _ digest: String, _ data: TrainingData, _ session: TrainingSession
  ) throws -> JSONValue {
    let described = attack as? any DescribedRemovalAttack
    var parts: [String: JSONValue] = [
      "attack": .string(attack.name), "settings": described?.settings ?? .null,
      "model": .string(digest), "train": .string(try data.train.fingerprint),
      "seed": .unsigned(session.seed), "precision": .string(session.precision.rawValue),
      "means": .string(means), "revision": .int(Self.revision),
    ]
    if let server { parts["server"] = .string(server.identity) }
    if session.device != .cpu { parts["device"] = .string(session.device.description) }
    return .object(parts)
  }

  /// What must be equal for a kept surrogate to count; nil for an attack that does not say what it does.
  private func making(of attack: any RemovalAttack, _ origin: JSONValue) throws -> String? {
    let links = (attack as? RemovalChain)?.links ?? [attack]
    guard links.allSatisfy({ $0 is any DescribedRemovalAttack }) else { return nil }
    return SHA256Digest(of: try origin.text()).description
  }

  /// What must be equal for a kept row to count.
  private func identity(_ origin: JSONValue, _ data: TrainingData) throws -> String {
    let parts: JSONValue = [
      "origin": origin, "measuring": .int(Self.measuring),
      "test": .string(try data.evaluator.test?.fingerprint ?? ""),
      "margin": .double(margin), "key_rank": .string(keyRank.rawValue),
      "marks": .array(
        marks.map { .string("\($0.role.rawValue):\($0.name):\($0.score.name):\($0.contents)") }),
      "nulls": try JSONValue(encoding: nulls), "context": .string(context),
    ]
    return SHA256Digest(of: try parts.text()).description
  }
}
