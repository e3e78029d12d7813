import BulwarkTensor

/// What can keep samples from being unlearned.
public enum UnlearningError: BulwarkError, Equatable {
  /// A list names a sample that the data set does not have.
  case outOfRange(index: Int, count: Int, origin: String)
  /// A list names a sample twice.
  case duplicate(index: Int, origin: String)
  /// Nothing is to be forgotten.
  case empty(origin: String)
  /// Nothing would be left.
  case everything(origin: String)
  /// A class that the data set does not have.
  case unknownClass(String, valid: [String], nearest: String?)
  /// No sample comes from that folder, or the data set does not say where samples come from.
  case unknownSource(String, isRecorded: Bool)
  /// A file that is no list of sample positions.
  case notAList(path: String, reason: String)
  /// The training data are not those that the checkpoint was trained on.
  case differentData(expected: String, found: String)
  /// A number that is infinite or not a number: what, and where.
  case notFinite(String, at: String)

  /// What happened.
  public var summary: String {
    switch self {
    case .outOfRange(let index, let count, let origin):
      "\(origin) names sample \(index), but the training set has \(count) samples (0...\(count - 1))"
    case .duplicate(let index, let origin): "\(origin) names sample \(index) more than once"
    case .empty(let origin): "\(origin) names no sample, so there is nothing to forget"
    case .everything(let origin): "\(origin) names every sample, so nothing would be left"
    case .unknownClass(let name, let valid, _):
      "'\(name)' is no class of the data set, which has \(valid.joined(separator: ", "))"
    case .unknownSource(let folder, true): "no training sample comes from a folder '\(folder)'"
    case .unknownSource(let folder, false):
      "the source folder '\(folder)' was asked for, but the data set does not say which file a "
        + "sample comes from"
    case .notAList(let path, let reason): "\(path) is no list of sample positions: \(reason)"
    case .differentData(let expected, let found):
      "the training data are not those of the checkpoint: fingerprint \(expected) was expected, "
        + "\(found) found"
    case .notFinite(let what, let place): "the \(what) became infinite or not a number \(place)"
    }
  }

  /// What to do about it.
  public var remedy: String {
    switch self {
    case .outOfRange: "give the list that belongs to these training data"
    case .duplicate: "name every sample once"
    case .empty: "name at least one sample"
    case .everything: "train a new model instead"
    case .unknownClass(_, _, let nearest):
      nearest.map { "did you mean '\($0)'?" } ?? "give a class name, or a label of at least 0"
    case .unknownSource(_, true): "give a folder below which training images lie"
    case .unknownSource(_, false): "use an image folder, or name the samples by position"
    case .notAList:
      "give a JSON list, a CSV file with a column 'index', or what `bulwark flag` or `bulwark data "
        + "poison` wrote"
    case .differentData:
      "give the data that the checkpoint was trained on, or say --accept-different-data (with a recipe or "
        + "--set: accept_different_data=true)"
    case .notFinite: "use a smaller learning rate"
    }
  }

  /// Usage for targets, bad data for lists, failure for a diverged run.
  public var category: ErrorCategory {
    switch self {
    case .unknownClass, .unknownSource: .usage
    case .notFinite: .failure
    default: .badData
    }
  }

  /// None.
  public var causes: [String] { [] }
}
