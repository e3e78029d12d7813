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
  init(
    pixelsOf train: ImageDataset, count: Int?, allClasses: Bool, session: TrainingSession
  ) throws {
    let pixels = try SuspicionRanking.byPixels(
      of: train, normalization: train.normalization(), key: session.key.stream("pixels"),
      device: session.device)
    let found = ShortcutSuspicion(pixels, share: DBDOptions.Head().shortcutShare)
    let classes = allClasses ? [] : found.classes
    let order = pixels.descending
    if let count {
      let candidates = order.filter { classes.isEmpty || classes.contains(pixels.labels[$0]) }
      flagged = Array(candidates.prefix(count))
    } else {
      flagged = order.filter(Set(found.members).contains)
    }
    ranking = pixels
    score = .pixels
    suspects = classes
    details = ["known_by_pattern": .int(found.members.count)]
  }
}
