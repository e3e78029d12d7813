import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Settings of entangled watermarks.
public struct EWEOptions: Hashable, Sendable, Codable {
  /// Last epochs in which watermark batches take part, as a share of all epochs.
  public var share: Double
  /// Clean batches for each watermark batch.
  public var cleanBatches: Int
  /// Weight of the soft nearest-neighbor loss.
  public var factor: Double
  /// Start of the temperature; distances are divided by 100 / temperature.
  public var temperature: Double
  /// Step size of the temperature.
  public var temperatureRate: Double

  /// Watermark batches in the last half of the epochs, one after every four clean ones.
  public init(
    share: Double = 0.5, cleanBatches: Int = 4, factor: Double = 1, temperature: Double = 100,
    temperatureRate: Double = 0.1
  ) {
    self.share = share
    self.cleanBatches = cleanBatches
    self.factor = factor
    self.temperature = temperature
    self.temperatureRate = temperatureRate
  }

  func validate() throws {
    let check = SettingCheck("watermark.ewe")
    try check.number("share", share, to: 1, isAbove: true)
    try check.whole("clean_batches", cleanBatches, in: 1...SettingCheck.mostUnits)
    try check.number("factor", factor)
    try check.number("temperature", temperature, isAbove: true)
    try check.number("temperature_rate", temperatureRate)
  }
}

/// The soft nearest-neighbor loss of Frosst et al. 2019 as EWE computes it (cleverhans-lab/
/// entangled-watermark, models.py).
enum SoftNearestNeighbors {
  /// −mean_i log( ε + Σ_{j≠i, w_j = w_i} e_ij / (ε + Σ_{k≠i} e_ik) ), e_ij = exp(−d_ij / τ), where d is
  /// the cosine distance, τ = 100 / temperature and ε = 1e-5.
  ///
  /// - Parameters:
  ///   - features: [B, D], float32.
  ///   - marked: 1 for carriers, 0 for others, [B], float32.
  ///   - temperature: scalar, float32.
  /// - Returns: a scalar; large where the two kinds are entangled. Cost: O(B² D).
  /// - Throws: `TensorError`.
  static func loss(_ features: Tensor, _ marked: Tensor, temperature: Tensor) throws -> Tensor {
    let count = features.shape[0]
    let unit = try features.normalized()
    let distance = try 1.0 - unit.matmul(unit.transpose(0, 1))
    let others = try 1.0 - Tensor.arange(count).to(features.device).oneHot(count).to(.float32)
    let kernel = try (-(distance * temperature) / 100.0).exp().clamp(min: 0, max: 1) * others
    let same = try marked.reshape([count, 1]).eq(marked.reshape([1, count])).to(.float32)
    let share = try (kernel * same).sum([1]) / (kernel.sum([1]) + 1e-5)
    return try -((share + 1e-5).log().mean())
  }
}

/// EWE (Jia et al., USENIX Security 2021): carriers and images of the target class are drawn together in
/// feature space, so that a student that learns the class learns the carriers.
///
/// A watermark batch is half carriers and half images of the target class, all labeled with it; its loss
/// is the cross-entropy minus the factor times the soft nearest-neighbor loss, whose temperature learns
/// along. Deviations from the public code: one layer (the pooled features) instead of three; the mean of the
/// cross-entropy instead of its sum over 128 images, so that its factors of 32 to 10⁵ are 0.25 to 780 here; the
/// temperature starts at 100, where distances count, instead of 1, which is worth another factor of about 100: its
/// setting for CIFAR-10 (10⁵) amounts to about 8 a layer, eight times the default here; the run's SGD instead of
/// Adam; carriers are not optimized before the embedding, since carriers must follow from the key's secret.
final class EntangledEmbedding: WatermarkProcedure {
  private let context: HostContext
  private let options: EWEOptions
  private let feed: CarrierFeed
  private var targets: BatchWalk
  private let temperature: Tensor
  private let half: Int

  init(_ context: HostContext, _ options: EWEOptions) throws {
    self.context = context
    self.options = options
    feed = try context.feed(context.key)
    let target = feed.carriers.labels[0]
    let labels = context.data.train.labels
    let members = labels.indices.filter { labels[$0] == target }
    guard !members.isEmpty else {
      throw WatermarkError.noImages("images of class '\(context.data.train.classNames[target])'")
    }
    half = max(1, min(context.training.batchSize / 2, members.count, feed.carriers.count))
    targets = BatchWalk(
      context.data.train, members: members, batchSize: half,
      key: context.session.key.stream("watermark/ewe"), dropLast: true)
    temperature = try Tensor.full([1], options.temperature, device: context.session.device)
    try temperature.setRequiresGradient(true)
  }

  private func isMarking(_ pass: HostPass) -> Bool {
    let first = Double(context.training.epochs) * (1 - options.share)
    return Double(pass.epoch) >= first.rounded(.down)
      && pass.step % (options.cleanBatches + 1) == options.cleanBatches
  }

  func loss(_ pass: HostPass) throws -> Tensor {
    guard isMarking(pass) else {
      return try context.logits(context.model, pass.images, .training).crossEntropy(
        pass.labels, labelSmoothing: context.training.labelSmoothing)
    }
    let (carriers, batch) = try halves(step: pass.step)
    let plain = try context.data.normalization.prepare(
      batch.images, on: context.session.device)
    let images = try Tensor.cat([carriers.images, plain])
    let labels = try Tensor.cat([carriers.labels, batch.labels.to(context.session.device)])
    let features = try context.model.features(images, .training)
    let logits = try context.model.head(features).to(.float32)
    let marked = try Tensor(
      (0..<images.shape[0]).map { Float($0 < carriers.positions.count ? 1 : 0) }
    ).to(context.session.device)
    let entanglement = try SoftNearestNeighbors.loss(
      features.to(.float32), marked, temperature: temperature)
    let task = try logits.crossEntropy(labels, labelSmoothing: context.training.labelSmoothing)
    return try task - entanglement * options.factor
  }

  /// What a marking step shows: the next carriers and the next images of the target class, in turn however
  /// many clean batches lie between two markings.
  func halves(step: Int) throws -> (
    carriers: (images: Tensor, labels: Tensor, positions: [Int]), targets: ImageDataset.Batch
  ) {
    let marking = step / (options.cleanBatches + 1)
    return (try feed.batch(step: marking, count: half), try targets.batch(step: marking))
  }

  /// temperature ← temperature − rate · ∂SNNL/∂temperature.
  func finish(_ pass: HostPass) throws {
    guard isMarking(pass), options.factor > 0, let gradient = try temperature.gradient() else {
      return
    }
    // The loss holds −factor · SNNL.
    try withoutGradients {
      let moved = try temperature + gradient * (options.temperatureRate / options.factor)
      try temperature.copy(from: moved.clamp(min: 1e-3))
    }
    try temperature.clearGradient()
  }

  var states: [String: StateDict] {
    get throws { ["ewe": StateDict([("temperature", try temperature.detach().to(.cpu).clone())])] }
  }

  func load(_ states: [String: StateDict]) throws {
    guard let saved = states["ewe"]?["temperature"] else { return }
    try withoutGradients { try temperature.copy(from: saved) }
  }
}
