import BulwarkTensor

/// What can keep a watermark from being embedded, verified or attacked.
public enum WatermarkError: BulwarkError, Equatable {
  /// Images that carriers cannot be made without: what is missing.
  case noImages(String)
  /// A key file that is none, or whose parts do not belong together: path or name, what is wrong.
  case badKey(String, reason: String)
  /// A key that does not open the commitment it is held against. What it gives instead is not told: a
  /// forger would write it into the file.
  case commitment(published: String)
  /// Answers of a served suspect that cannot be used: path, what is wrong.
  case badAnswers(String, reason: String)
  /// A key and a model or data set of other classes or image shapes.
  case mismatch(String)
  /// A score that is infinite or no number: whose.
  case notFinite(String)

  /// What happened.
  public var summary: String {
    switch self {
    case .noImages(let what): "the carriers need \(what), but there are none"
    case .badKey(let name, let reason): "\(name) is no usable watermark key: \(reason)"
    case .commitment(let published): "the key does not open the commitment \(published)"
    case .badAnswers(let path, let reason): "\(path) holds no usable answers: \(reason)"
    case .notFinite(let what): "\(what) is no number, so nothing can be ranked"
    case .mismatch(let what): "the key does not fit: \(what)"
    }
  }

  /// What to do about it.
  public var remedy: String {
    switch self {
    case .noImages: "use a larger training set, or carriers of another family"
    case .badKey: "use the key file as bulwark watermark embed wrote it"
    case .commitment:
      "use the unchanged key file; a key that was made or changed after the publication proves nothing"
    case .badAnswers:
      "give one line for each query: a column 'label', or a probability for each class"
    case .notFinite: "check the weights of the model; one that diverged answers nothing"
    case .mismatch: "use the key with the task that it was made for"
    }
  }

  /// Bad data.
  public var category: ErrorCategory { .badData }

  /// None.
  public var causes: [String] { [] }
}
