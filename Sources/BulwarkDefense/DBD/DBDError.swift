import BulwarkTensor

/// What can keep DBD from running on a data set.
public enum DBDError: BulwarkError, Equatable {
  /// The split leaves one of the two pools of stage 3 without samples.
  case emptyPool(labeled: Int, unlabeled: Int)
  /// No sample has another one to be told from.
  case tooFewSamples(Int)

  /// What happened.
  public var summary: String {
    switch self {
    case .emptyPool(let labeled, let unlabeled):
      "the filter splits the data into \(labeled) labeled and \(unlabeled) unlabeled samples, "
        + "but stage 3 needs some of both"
    case .tooFewSamples(let count): "DBD needs at least two training samples, not \(count)"
    }
  }

  /// What to do about it.
  public var remedy: String {
    "use more training samples, or shares between 0 and 1 in dbd.filter"
  }

  /// Bad data.
  public var category: ErrorCategory { .badData }

  /// None.
  public var causes: [String] { [] }
}
