import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Measures one surrogate.
struct StressMeter {
  let test: ImageDataset
  let normalization: Normalize
  let marks: [StressMark]
  let nulls: [NullScores]
  let margin: Double
  let keyRank: RankTest.KeyRank
  let session: TrainingSession

  /// A row; `before` is the stolen model's, nil for that model itself. Whatever the model is asked about is
  /// shown to it as `served` makes it, and what it answers is changed by `server`. Without
  /// `isJudged` no key is ranked. Time and seed are left at 0.
  func measure(
    _ model: ImageClassifier, attack: String, settings: JSONValue, remark: String,
    before: StressReport.Row?,
    served: @escaping (ImageDataset) throws -> ImageDataset = { $0 },
    through server: CosineChange? = nil, isJudged: Bool = true
  ) throws -> StressReport.Row {
    let logits = try model.logits(
      of: served(test), normalization, through: server, session: session)
    guard try logits.isFinite().to(.float32).min().item() == 1 else {
      throw RemovalError.answersNotFinite(attack: attack)
    }
    let answers = try logits.argmax(1).integers()
    var counts = [Int](repeating: 0, count: test.classCount)
    for answer in answers { counts[answer] += 1 }
    let shares = counts.map { Double($0) / Double(test.count) }
    let accuracy =
      Double(zip(answers, test.labels).count { $0 == $1 }) / Double(test.count)
    let changes = zip(shares, before?.classShares ?? shares).map { abs($0 - $1) }
    let shifted = changes.indices.max { changes[$0] < changes[$1] } ?? 0
    let change = accuracy - (before?.accuracy ?? accuracy)
    let expected = before.map { expectedAccuracy(of: model.architecture, stolen: $0) } ?? accuracy
    let own = marks.first { $0.role == .own }
    let kinds = try own?.kinds.compactMapValues { try value($0, of: model, served: served) } ?? [:]
    return StressReport.Row(
      attack: attack, settings: settings, remark: remark, architecture: model.architecture,
      accuracy: accuracy, accuracyChange: change, expectedAccuracy: expected,
      // Exactly the margin is allowed, also where 0.95 - 0.90 is a little more than 0.05.
      losesTooMuch: accuracy < expected - margin - 1e-9,
      readings: try readings(
        model, attack: attack, served: served, through: server, isJudged: isJudged),
      counted: try own?.counted.flatMap { try value($0, of: model, served: served) },
      kinds: kinds.isEmpty ? nil : kinds,
      ownWithOriginalLastLayer: nil, classShares: shares,
      classPriorShift: changes[shifted], shiftedClass: shifted, seconds: 0, seed: 0)
  }

  /// What a smaller network cannot do even without an attack is no loss of the attack.
  private func expectedAccuracy(of architecture: Architecture, stolen: StressReport.Row) -> Double {
    guard architecture != stolen.architecture,
      let unmarked = nulls.first(where: { $0.surrogates == architecture })?.medianAccuracy
    else { return stolen.accuracy }
    return min(stolen.accuracy, unmarked)
  }

  /// The owner's hits, or statistic, on a surrogate under another model's last layer; nil where it does
  /// not fit.
  func ownScore(
    _ surrogate: ImageClassifier, withLastLayerOf model: ImageClassifier,
    served: @escaping (ImageDataset) throws -> ImageDataset
  ) throws -> Double? {
    guard surrogate.architecture == model.architecture,
      let own = marks.first(where: { $0.role == .own })
    else { return nil }
    let mended = try surrogate.surrogateCopy(on: session.device)
    try withoutGradients {
      try mended.head.weight.copy(from: model.head.weight)
      try mended.head.bias.copy(from: model.head.bias)
    }
    // Hits, as Adi et al. count them, where the mark has any.
    return try value(own.counted ?? own.score, of: mended, served: served)
      .flatMap { $0.isFinite ? $0 : nil }
  }

  /// One statistic.
  private func value(
    _ score: any OwnershipScore, of model: ImageClassifier,
    served: @escaping (ImageDataset) throws -> ImageDataset
  ) throws -> Double? {
    guard let score = score as? any WatermarkScore else {
      return try score.score(model, session: session)
    }
    return try ScoreRow(of: model, session: session, served: served).unchecked([score])[0]
  }

  /// Every key's statistic; the owner's with its rank among all others.
  private func readings(
    _ model: ImageClassifier, attack: String,
    served: @escaping (ImageDataset) throws -> ImageDataset, through server: CosineChange?,
    isJudged: Bool
  ) throws -> [StressReport.Reading] {
    let values: [Double?]
    do {
      values =
        if let server {
          try ScoreRow(asking: {
            try model.logits(of: served($0), normalization, through: server, session: session)
          }).values(marks.compactMap { $0.score as? any WatermarkScore })
        } else {
          try StressMark.values(marks, of: model, session: session, served: served)
        }
    } catch WatermarkError.notFinite {
      // Answers to carriers can overflow where those to clean images do not, and JSON has no such number.
      throw RemovalError.answersNotFinite(attack: attack)
    }
    var readings = zip(marks, values).map {
      StressReport.Reading(key: $0.name, role: $0.role, score: $0.score.name, value: $1)
    }
    guard isJudged, let own = readings.firstIndex(where: { $0.role == .own }),
      let observed = readings[own].value,
      let population = nulls.first(where: { $0.surrogates == model.architecture }),
      !population.scores.isEmpty
    else { return readings }
    let foreignPlaces = readings.indices.filter {
      readings[$0].role == .foreign && readings[$0].value != nil
    }
    let foreign = foreignPlaces.compactMap { readings[$0].value }
    // A surrogate without a place for some key's mark has no rank.
    guard population.scores.allSatisfy({ $0.count == foreign.count + 1 }) else { return readings }
    let test = RankTest(
      observed: observed, foreign: foreign, nulls: population.scores, keyRank: keyRank)
    readings[own].pValue = test.p
    readings[own].log10P = test.log10P
    readings[own].isLargest = test.isLargestOfItsRowAndColumn
    if keyRank == .excess {
      readings[own].beyond = test.beyond[0]
      for (place, beyond) in zip(foreignPlaces, test.beyond.dropFirst()) {
        readings[place].beyond = beyond
      }
    }
    readings[own].smallestP = test.smallestP
    return readings
  }
}
