import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// All training samples with the loss of their given label: the higher, the more suspicious.
public struct SuspicionRanking: Sendable {
  /// Loss of each sample against its given label.
  public let scores: [Double]
  /// Most probable class of each sample.
  public let predicted: [Int]
  /// Given label of each sample.
  public let labels: [Int]
  /// Probability of each sample's most probable class, 0...1; 0 where it is not known.
  public let confidence: [Double]

  /// A ranking from losses.
  ///
  /// - Parameters:
  ///   - scores: a value a sample, the higher the more suspicious.
  ///   - predicted: most probable class of each sample.
  ///   - labels: given label of each sample.
  ///   - confidence: probability of the most probable class; nil where nothing is known.
  public init(
    scores: [Double], predicted: [Int], labels: [Int], confidence: [Double]? = nil
  ) {
    self.scores = scores
    self.predicted = predicted
    self.labels = labels
    self.confidence = confidence ?? [Double](repeating: 0, count: labels.count)
  }

  /// Positions from the lowest loss to the highest; ties keep the order of the data set.
  public var ascending: [Int] {
    scores.indices.sorted { (scores[$0], $0) < (scores[$1], $1) }
  }

  /// Positions from the most suspicious to the least.
  public var descending: [Int] { ascending.reversed() }

  /// The ranking with some samples above all others, for reasons that their losses do not show.
  ///
  /// - Parameter positions: of these samples; their scores become the highest score plus 1.
  /// - Returns: a ranking of the same samples.
  public func raising(_ positions: [Int]) -> SuspicionRanking {
    guard !positions.isEmpty, let highest = scores.max() else { return self }
    var raised = scores
    for position in positions { raised[position] = highest + 1 }
    return SuspicionRanking(
      scores: raised, predicted: predicted, labels: labels, confidence: confidence)
  }

  /// What is known about the ranking when the true poisons are known; empty otherwise.
  ///
  /// - Parameters:
  ///   - knownPoisons: positions of the true poisons.
  ///   - split: the pools that are made from the ranking; nil where nobody trains on any.
  /// - Returns: filter precision, poisons in the labeled pool (count and share; only with pools), area under
  ///   the ROC curve.
  public func evidence(knownPoisons: [Int]?, split: LossSplit? = nil) -> [MetricValue] {
    guard let knownPoisons, !knownPoisons.isEmpty else { return [] }
    let truth = Set(knownPoisons)
    let order = ascending
    let top = order.suffix(truth.count).count { truth.contains($0) }
    var values = [
      MetricValue(Metric.filterPrecision, Double(top) / Double(truth.count), count: truth.count)
    ]
    if let labeled = split?.labeled {
      let kept = Double(labeled.count { truth.contains($0) })
      values += [
        MetricValue(Metric.poisonsInLabeledPool, kept, count: labeled.count),
        MetricValue(
          Metric.poisonShareOfLabeledPool, kept / Double(max(labeled.count, 1)),
          count: labeled.count),
      ]
    }
    return values + [MetricValue(Metric.suspicionAUC, area(of: truth, order), count: order.count)]
  }

  /// Share of the pairs of a poison and a clean sample in which the poison has the higher score; equal
  /// scores count one half.
  private func area(of poisons: Set<Int>, _ order: [Int]) -> Double {
    var wins = 0.0
    var cleanBelow = 0
    var start = 0
    while start < order.count {
      var end = start + 1
      while end < order.count, scores[order[end]] == scores[order[start]] { end += 1 }
      let found = order[start..<end].count { poisons.contains($0) }
      let clean = end - start - found
      wins += Double(found) * (Double(cleanBelow) + Double(clean) / 2)
      cleanBelow += clean
      start = end
    }
    return wins / Double(max(poisons.count * cleanBelow, 1))
  }
}

extension SuspicionRanking {
  /// What is known about a list of flagged samples; empty where the poisons are not known.
  ///
  /// - Parameters:
  ///   - flagged: positions.
  ///   - knownPoisons: positions of the true poisons.
  /// - Returns: precision (left out where nothing was flagged) and recall.
  public static func evidence(flagged: [Int], knownPoisons: [Int]?) -> [MetricValue] {
    guard let knownPoisons, !knownPoisons.isEmpty else { return [] }
    let found = Double(Set(knownPoisons).intersection(flagged).count)
    let recall = MetricValue(
      Metric.flaggedRecall, found / Double(knownPoisons.count), count: knownPoisons.count)
    guard !flagged.isEmpty else { return [recall] }
    return [
      MetricValue(Metric.flaggedPrecision, found / Double(flagged.count), count: flagged.count),
      recall,
    ]
  }
}

/// The two pools of an epoch of stage 3.
public struct LossSplit: Sendable, Equatable {
  /// Samples that keep their label, ascending positions.
  public let labeled: [Int]
  /// Samples whose label is ignored, ascending positions.
  public let unlabeled: [Int]

  /// Keeps the label of the `count` samples of lowest loss: over all samples (the official rule), or
  /// the same share of every class.
  ///
  /// - Parameters:
  ///   - ranking: the losses.
  ///   - count: samples that keep their label.
  ///   - perClass: whether every class gives the same share of what is not excluded.
  ///   - excluding: samples that are in neither pool.
  public init(
    _ ranking: SuspicionRanking, count: Int, perClass: Bool, excluding: Set<Int> = []
  ) {
    let ascending = ranking.ascending.filter { !excluding.contains($0) }
    var kept = Set<Int>()
    if perClass {
      let share = Double(count) / Double(max(ascending.count, 1))
      let members = Dictionary(grouping: ascending) { ranking.labels[$0] }
      for list in members.values {
        kept.formUnion(list.prefix(Int((share * Double(list.count)).rounded(.down))))
      }
    } else {
      kept.formUnion(ascending.prefix(count))
    }
    self.init(labeled: kept, total: ranking.labels.count, excluding: excluding)
  }

  /// Keeps labels class by class: of a suspected class the share `suspectShare` of lowest loss, of every
  /// other class the share `trustedShare`. An attack that moves many samples into its target makes that
  /// class large; `suspectLimit` keeps it from having more labels for that.
  ///
  /// - Parameters:
  ///   - ranking: the losses.
  ///   - suspects: classes that may be the target of an attack (`ClassSuspicion`).
  ///   - suspectShare: share of a suspected class that keeps its label, 0...1.
  ///   - trustedShare: share of every other class, 0...1.
  ///   - suspectLimit: most labels that a suspected class keeps, as a share of the median class size;
  ///     0 for no limit.
  ///   - cleared: classes whose suspicious samples are excluded already, as cliques, and which are not suspected
  ///     beside.
  ///   - clearedShare: share of such a class that keeps its label, 0...1, without limit.
  ///   - excluding: samples that are in neither pool. A suspected class that has some loses no more labels for
  ///     it: it keeps `suspectShare` of all its samples, at most `clearedShare` of those that are left.
  public init(
    _ ranking: SuspicionRanking, suspects: Set<Int>, suspectShare: Double, trustedShare: Double,
    suspectLimit: Double = 0, cleared: Set<Int> = [], clearedShare: Double = 1,
    excluding: Set<Int> = []
  ) {
    var kept = Set<Int>()
    let members = Dictionary(grouping: ranking.ascending.filter { !excluding.contains($0) }) {
      ranking.labels[$0]
    }
    let excluded = Dictionary(grouping: excluding) { ranking.labels[$0] }
    let sizes = members.values.map(\.count).sorted()
    let median = sizes.isEmpty ? 0 : Double(sizes[sizes.count / 2])
    for (label, list) in members {
      let isSuspected = suspects.contains(label)
      let share =
        isSuspected ? suspectShare : cleared.contains(label) ? clearedShare : trustedShare
      var count = share * Double(list.count)
      if isSuspected, let left = excluded[label] {
        count = min(
          share * Double(list.count + left.count), clearedShare * Double(list.count))
      }
      if isSuspected, suspectLimit > 0 { count = min(count, suspectLimit * median) }
      kept.formUnion(list.prefix(Int(count.rounded(.down))))
    }
    self.init(labeled: kept, total: ranking.labels.count, excluding: excluding)
  }

  init(labeled: Set<Int>, total: Int, excluding: Set<Int>) {
    self.labeled = labeled.sorted()
    unlabeled = (0..<total).filter { !labeled.contains($0) && !excluding.contains($0) }
  }
}

/// The filter of stage 3 (paper section 4.4; fact sheet 1.4): loss of every sample against its given
/// label, evaluation mode, one random weak view a sample as in the official code.
extension DBDTrainer {
  /// The ranking before `epoch` of stage 3; samples in quarantine stand above all others.
  func currentRanking(epoch: Int) throws -> SuspicionRanking {
    let key = session.key.stream("filter").step(epoch)
    let logits = try model.logits(of: data.train, data.normalization, session: session) {
      [views, session] pixels, batch in
      try views.weak(pixels.to(session.device), key: key.step(batch))
    }
    let losses = try perSampleLoss(logits, Tensor(data.train.labels))
    let predicted = try logits.argmax(1)
    let confidence = try logits.softmax(1).gather(1, predicted.unsqueeze(1)).reshape([-1])
    return SuspicionRanking(
      scores: try losses.doubles(), predicted: try predicted.integers(),
      labels: data.train.labels, confidence: try confidence.doubles()
    ).raising(quarantine)
  }

  /// Share of the samples that keeps its label in `epoch` of stage 3: of all of them, or, once a class
  /// is suspected, of that class.
  func labeledShare(epoch: Int) -> Double {
    let filter = options.filter
    let progress = min(1, Double(epoch) / Double(max(filter.growthEpochs, 1)))
    return filter.share + (filter.finalShare - filter.share) * progress
  }

  /// Size of the labeled pool in `epoch` of stage 3 while no class is suspected: a share of what is not in
  /// quarantine.
  func labeledCount(epoch: Int) -> Int {
    Int(labeledShare(epoch: epoch) * Double(data.train.count - quarantine.count))
  }
}
