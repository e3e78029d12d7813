import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// What a verifier may ask of a suspect.
public enum SuspectAccess: String, Hashable, Sendable, Codable, CaseIterable {
  /// The most probable class of an image.
  case labels
  /// Logits or probabilities.
  case logits
  /// The weights, for schemes that mark them; logits for the others.
  case weights
}

/// A score of one key, with its meaning and what can be counted.
public protocol WatermarkScore: OwnershipScore {
  /// What the number is.
  var metric: MetricDefinition { get }
  /// Carriers, bits or images behind the number.
  var count: Int { get }
  /// The chance that one of them is right by luck, where all of them are independent of each other and
  /// of every model made without the key; nil where they are not.
  var chance: Double? { get }
}

extension WatermarkScore {
  /// The metric's name.
  public var name: String { metric.name }
  /// Nothing is independent.
  public var chance: Double? { nil }
}

/// Answers to carriers: the share that is right (label-only), or the mean probability of their labels at the
/// temperature that fits the model's answers to clean images (`AnswerTemperature`). Every carrier counts once, of
/// whatever kind it is.
public struct CarrierScore: WatermarkScore {
  /// The carriers.
  public let carriers: CarrierSet
  /// How pixels become input.
  public let normalization: Normalize
  /// `labels`, or anything that gives probabilities.
  public let access: SuspectAccess
  /// Clean labeled images that the temperature is fitted on; nil takes probabilities as they come, which
  /// whoever serves the model can make as flat as he likes.
  public let probe: CleanSample?

  /// A score of some carriers.
  ///
  /// - Parameters:
  ///   - carriers: shown without augmentation.
  ///   - normalization: the suspect's.
  ///   - access: `labels` counts, anything else takes probabilities.
  ///   - probe: clean labeled images; without meaning where answers are counted.
  public init(
    _ carriers: CarrierSet, normalization: Normalize, access: SuspectAccess,
    probe: CleanSample? = nil
  ) {
    self.carriers = carriers
    self.normalization = normalization
    self.access = access
    self.probe = access == .labels ? nil : probe
  }

  /// `carrier_accuracy` or `carrier_probability`.
  public var metric: MetricDefinition {
    access == .labels ? Metric.carrierAccuracy : Metric.carrierProbability
  }

  /// Number of carriers.
  public var count: Int { carriers.count }

  /// The chance of a hit, for independent random labels and counted answers.
  public var chance: Double? {
    guard access == .labels, case .independent(let probability) = carriers.rule else { return nil }
    return probability
  }

  /// The hits of each kind of carriers alone, by its name; none where all are of one kind.
  ///
  /// - Throws: `TensorError`.
  public func hitsByKind() throws -> [(kind: String, score: CarrierScore)] {
    guard carriers.kinds.count > 1 else { return [] }
    return try carriers.kinds.map {
      ($0.name, CarrierScore(try carriers.only($0), normalization: normalization, access: .labels))
    }
  }

  /// The share, 0...1.
  public func score(_ suspect: ImageClassifier, session: TrainingSession) throws -> Double? {
    try ScoreRow(of: suspect, session: session).unchecked([self])[0]
  }

  /// The score of answers that are known already.
  ///
  /// - Parameters:
  ///   - logits: [N, classes], float32, on the CPU.
  ///   - temperature: of the model.
  /// - Returns: the share, 0...1.
  /// - Throws: `TensorError`.
  func value(_ logits: Tensor, temperature: Double) throws -> Double {
    try values(logits, temperature: temperature).reduce(0, +) / Double(max(count, 1))
  }

  /// What each carrier counts: the probability of its label, or whether it comes first.
  func values(_ logits: Tensor, temperature: Double) throws -> [Double] {
    if access == .labels {
      return zip(try logits.argmax(1).integers(), carriers.labels).map { $0 == $1 ? 1 : 0 }
    }
    let labels = try Tensor(carriers.labels)
    return try (logits.to(.float64) / temperature).softmax(1)
      .gather(1, labels.reshape([labels.count, 1])).doubles()
  }
}

/// Bits read from the weights of one kernel.
public struct BitScore: WatermarkScore {
  /// Where they are read.
  public let place: BitPlace
  /// What they are read with.
  public let secret: WatermarkSecret
  private let projection: Projection

  /// The projection, drawn for the first kernel that it fits, and kept, since it costs a hash for every eight of its
  /// numbers.
  private final class Projection {
    private var drawn: Tensor?

    func tensor(_ place: BitPlace, _ secret: WatermarkSecret) throws -> Tensor {
      if let drawn { return drawn }
      let tensor = try place.projection(secret)
      drawn = tensor
      return tensor
    }
  }

  /// A reading of bits.
  ///
  /// - Parameters:
  ///   - place: where they are read.
  ///   - secret: what projection and bits follow from.
  public init(place: BitPlace, secret: WatermarkSecret) {
    self.place = place
    self.secret = secret
    projection = Projection()
  }

  /// `bit_accuracy`.
  public var metric: MetricDefinition { Metric.bitAccuracy }
  /// Number of bits.
  public var count: Int { place.bits }
  /// Bits are fair and independent of the projection: each is right with probability 1/2 whatever the
  /// weights.
  public var chance: Double? { 0.5 }

  /// The share of bits read right; nil for a suspect without such a kernel.
  public func score(_ suspect: ImageClassifier, session: TrainingSession) throws -> Double? {
    guard let kernel = suspect.state[place.layer], kernel.shape == place.shape else { return nil }
    return try withoutGradients {
      let filter = try BitPlace.meanFilter(kernel.detach().to(.cpu).to(.float32))
      let answers = try (projection.tensor(place, secret) * filter.reshape([1, -1])).sum([1])
        .floats()
      guard answers.allSatisfy(\.isFinite) else { return .nan }
      let right = zip(answers, place.bits(secret)).count { ($0 >= 0) == $1 }
      return Double(right) / Double(place.bits)
    }
  }
}

/// Power of a cosine in the probabilities of one class on ordinary images.
public struct SignalScore: WatermarkScore {
  /// The signal.
  public let signal: CosineSignal
  /// What target and projection follow from.
  public let secret: WatermarkSecret
  /// Ordinary images.
  public let probe: CleanSample
  /// How pixels become input.
  public let normalization: Normalize

  /// `signal_power_ratio`.
  public var metric: MetricDefinition { Metric.signalPowerRatio }
  /// Images that are looked at: all of the probe.
  public var count: Int { probe.images.count }

  /// The power at the key's frequency over the mean power at others between a quarter and twice of it; of
  /// order 1 for noise. Images count by the rank of the class's probability among them: so those of the class
  /// itself, whose probabilities differ most, do not drown the others. The public code takes probabilities, of training
  /// images of the class; in them a served signal stands out less (20 keys on 1,000 images of CIFAR-10, median ratio:
  /// 1 in the class, 7 in the more probable half, 14 by ranks). The paper's rule, a ratio above 8, is for another
  /// statistic, the power within ±0.005 of the key's frequency over that at all the rest.
  public func score(_ suspect: ImageClassifier, session: TrainingSession) throws -> Double? {
    try ScoreRow(of: suspect, session: session).unchecked([self])[0]
  }

  /// The score of answers that are known already.
  ///
  /// - Parameters:
  ///   - logits: [N, classes] on the probe, float32, on the CPU.
  ///   - temperature: of the model.
  /// - Returns: the ratio of powers.
  /// - Throws: `TensorError`.
  func value(_ logits: Tensor, temperature: Double) throws -> Double {
    try withoutGradients {
      let target = signal.target(secret, classes: logits.shape[1])
      let answers = try (logits.to(.float64) / temperature).logSoftmax(1)
        .narrow(1, start: target, length: 1).contiguous().doubles()
      guard answers.allSatisfy(\.isFinite) else { return .nan }
      let order = answers.indices.sorted { answers[$0] < answers[$1] }
      var ranks = [Float](repeating: 0, count: order.count)
      for (rank, image) in order.enumerated() { ranks[image] = Float(rank) }
      let pixels = try ImageDataset.unitRange(probe.images.images).contiguous().reshape([count, -1])
      let shape = Array(probe.images.images.shape.dropFirst())
      let projection = try signal.projection(secret, shape: shape)
      let places = try (pixels * projection.reshape([1, -1])).sum([1])
      return try signal.powerRatio(Tensor(ranks), places)
    }
  }
}

extension WatermarkKey {
  /// Whether ordinary answers are read for a lean.
  public func readsLean(_ reading: TiltReading) -> Bool {
    mark.scheme == .tilted && reading != .carriers
  }

  /// Ordinary images as the key's score takes them: at most 1,000, or 10,000 where answers lean, balanced over the
  /// classes.
  ///
  /// - Parameters:
  ///   - images: clean and labeled.
  ///   - reading: for `tilted`.
  /// - Returns: the sample, which all keys of a verification share.
  /// - Throws: `TensorError`.
  public func sample(of images: ImageDataset, reading: TiltReading = .both) throws -> CleanSample {
    try CleanSample(
      of: images, limit: readsLean(reading) ? CleanSample.leaning : CleanSample.usual)
  }

  /// The score that the key's scheme is verified by.
  ///
  /// - Parameters:
  ///   - normalization: the suspect's.
  ///   - access: what may be asked; a scheme that marks weights always reads them, and a signal in soft
  ///     answers always needs them.
  ///   - probe: clean labeled images, for the temperature of answers, for signals and for answers that lean.
  ///   - reading: for `tilted`; other schemes have one.
  /// - Returns: the score, ready to be asked about any model.
  /// - Throws: `WatermarkError` when the key is incomplete; `TensorError`.
  public func score(
    normalization: Normalize, access: SuspectAccess, probe: CleanSample,
    reading: TiltReading = .both
  ) throws -> any WatermarkScore {
    if let place = mark.bits { return BitScore(place: place, secret: secret) }
    if let signal = mark.signal {
      return SignalScore(
        signal: signal, secret: secret, probe: probe, normalization: normalization)
    }
    func carriers() throws -> CarrierScore {
      guard let carriers = try self.carriers() else {
        throw WatermarkError.badKey("the key", reason: "it describes no mark")
      }
      return CarrierScore(carriers, normalization: normalization, access: access, probe: probe)
    }
    guard readsLean(reading) else { return try carriers() }
    return try TiltScore(
      self, carriers: reading == .answers ? nil : carriers(), sample: probe,
      normalization: normalization, access: access)
  }

  /// The share of carriers that are answered, or of bits that are read, as the key says.
  ///
  /// - Parameter normalization: the suspect's.
  /// - Returns: a score from 0 to 1; nil for signals, of which nothing can be counted.
  /// - Throws: `WatermarkError` when the key is incomplete; `TensorError`.
  public func hits(_ normalization: Normalize) throws -> (any WatermarkScore)? {
    if let place = mark.bits { return BitScore(place: place, secret: secret) }
    return try carriers().map { CarrierScore($0, normalization: normalization, access: .labels) }
  }

  /// What every score of the key lies in.
  func scoreRange(_ reading: TiltReading) -> ClosedRange<Double> {
    if readsLean(reading) { return TiltScore.range }
    return 0...(mark.signal == nil ? 1 : Double.greatestFiniteMagnitude)
  }

  /// What is asked of a suspect in the end, whatever was allowed.
  public func usedAccess(_ wanted: SuspectAccess) -> SuspectAccess {
    if mark.bits != nil { return .weights }
    if mark.signal != nil || wanted == .weights { return .logits }
    return wanted
  }
}
