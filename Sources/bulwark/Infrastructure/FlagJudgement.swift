import BulwarkData
import BulwarkDefense
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// What `bulwark flag` found out about the samples of a data set.
struct FlagJudgement {
  /// All samples with their scores.
  var ranking: SuspicionRanking
  /// What the scores are.
  var score: SuspicionListFile.Score
  /// The flagged positions, most suspicious first.
  var flagged: [Int]
  /// Classes suspected of being an attack's target; empty for none.
  var suspects: [Int]
  /// Further members of the result.
  var details: [String: JSONValue]
}

extension FlagJudgement {
  /// By the losses of a checkpoint.
  init(
    _ loaded: LoadedModel, of train: ImageDataset, isItsOwn: Bool, count: Int?, allClasses: Bool,
    session: TrainingSession
  ) throws {
    let quarantine = isItsOwn ? loaded.checkpoint.quarantine : []
    ranking = try loaded.model.suspicion(of: train, loaded.normalization, session: session)
      .raising(quarantine)
    score = .loss
    suspects = allClasses ? [] : try loaded.suspectedClasses(of: train)
    flagged = ranking.flagged(count: count, suspects: suspects, quarantine: quarantine)
    details = ["quarantined": .int(quarantine.count), "is_training_set": .bool(isItsOwn)]
  }

  /// By the bare pixels, without a checkpoint (`ShortcutSuspicion`).
  ///
  /// - Throws: `ToolError` for data in which no class has others to be compared with.
  init(
    pixelsOf train: ImageDataset, count: Int?, allClasses: Bool, session: TrainingSession
  ) throws {
    let pixels = try Self.pixelRanking(of: train, session)
    let found = ShortcutSuspicion(pixels, share: DBDOptions.Head().shortcutShare)
    let order = pixels.descending
    if let count {
      let isAny = allClasses || found.classes.isEmpty
      flagged = Array(
        order.filter { isAny || found.classes.contains(pixels.labels[$0]) }.prefix(count))
    } else {
      flagged = order.filter(Set(found.members).contains)
    }
    ranking = pixels
    score = .pixels
    suspects = found.classes
    details = ["known_by_pattern": .int(found.members.count)]
  }

  /// Samples whose pixels are judged to learn how long all take; more where classes would be too small.
  private static let mostTimed = 1024

  /// Seconds in which the pixels of a training set are judged: those of some samples of every class, times how many
  /// more there are.
  ///
  /// - Throws: as the judgement.
  static func secondsForPixels(of train: ImageDataset, session: TrainingSession) throws -> Double {
    let sample = try train.subset(
      SampleSelection.balanced(
        labels: train.labels, classCount: train.classCount,
        limit: max(mostTimed, train.classCount * ShortcutSuspicion.leastCount)))
    let begin = ContinuousClock.now
    _ = try pixelRanking(of: sample, session)
    return (ContinuousClock.now - begin).inSeconds * Double(train.count) / Double(sample.count)
  }

  /// Throws where no class has others to be compared with.
  private static func pixelRanking(of train: ImageDataset, _ session: TrainingSession) throws
    -> SuspicionRanking
  {
    let populated = train.countsPerClass.count { $0 >= ShortcutSuspicion.leastCount }
    guard populated >= ShortcutSuspicion.leastClasses else {
      throw ToolError(
        summary: "only \(populated) of \(train.classCount) classes have at least "
          + "\(ShortcutSuspicion.leastCount) samples; bare pixels are judged by comparing a class with others, and "
          + "it takes \(ShortcutSuspicion.leastClasses).",
        remedy: "Rank with a checkpoint: bulwark flag CHECKPOINT --data ...", category: .badData)
    }
    return try SuspicionRanking.byPixels(
      of: train, normalization: train.normalization(), key: session.key.stream("pixels"),
      device: session.device)
  }
}
