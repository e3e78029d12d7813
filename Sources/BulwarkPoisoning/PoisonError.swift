import BulwarkTensor

/// What can be wrong with a request to poison a data set.
public enum PoisonError: BulwarkError, Equatable {
  /// A parameter has an impossible value.
  case invalidParameter(name: String, value: String, expected: String)
  /// The target class does not exist.
  case invalidTarget(target: Int, classCount: Int)
  /// More images were asked for than there are; `eligible` says which images count.
  case tooMany(asked: Int, available: Int, eligible: String)
  /// A rate above 0 that comes to no image at all.
  case nothingToPoison(rate: Double, base: Int, eligible: String)
  /// A trigger does not fit into the images; sizes are (rows, columns).
  case triggerTooLarge(trigger: String, size: [Int], image: [Int])
  /// A trigger picture has no pixel that marks anything.
  case emptyTrigger(trigger: String)
  /// The attack needs a trained classifier and none was given.
  case classifierMissing(attack: String)
  /// The classifier gave something else than one row of logits for each image.
  case wrongLogits(expected: [Int], found: [Int])
  /// The classifier's gradient is infinite or NaN.
  case gradientNotFinite(step: Int)
  /// Images of the wrong form.
  case wrongImages(expected: String, found: String)
  /// Every sample of the test set belongs to the target class.
  case noTestSamples(target: Int)
  /// A key of a written attack that nothing reads.
  case unknownKey(key: String, valid: [String])
  /// A name that is none of the valid ones.
  case unknownName(what: String, name: String, valid: [String])
  /// A file that should be a poison manifest is none.
  case notAManifest(path: String, reason: String)
  /// A manifest belongs to other data.
  case otherData(expected: String, found: String)
}

extension PoisonError {
  /// What happened, in one sentence.
  public var summary: String {
    switch self {
    case .invalidParameter(let name, let value, let expected):
      "The attack's \(name) is \(value); expected \(expected)."
    case .invalidTarget(let target, let classCount):
      "The target class is \(target); expected 0...\(classCount - 1)."
    case .tooMany(let asked, let available, let eligible):
      "\(asked) images were to be changed, but there are only \(available) \(eligible)."
    case .nothingToPoison(let rate, let base, let eligible):
      "A poisoning rate of \(rate) of \(base) images is less than one image of the \(eligible)."
    case .triggerTooLarge(let trigger, let size, let image):
      "The trigger '\(trigger)' reaches over \(size[0]) rows and \(size[1]) columns; the images have "
        + "\(image[0]) rows and \(image[1]) columns."
    case .emptyTrigger(let trigger):
      "The trigger '\(trigger)' is black all over, so it marks no pixel."
    case .classifierMissing(let attack):
      "The \(attack) attack perturbs images against a trained classifier, and none was given."
    case .wrongLogits(let expected, let found):
      "The classifier gave a tensor of shape \(found); expected \(expected) (images, classes)."
    case .gradientNotFinite(let step):
      "The classifier's gradient with respect to the images is not finite at step \(step)."
    case .wrongImages(let expected, let found):
      "The images are \(found); expected \(expected)."
    case .noTestSamples(let target):
      "Every test sample belongs to the target class \(target), so no attack can be measured."
    case .unknownKey(let key, let valid):
      "'\(key)' is no setting of this attack; expected one of \(valid.joined(separator: ", "))."
    case .unknownName(let what, let name, let valid):
      "'\(name)' is no \(what); expected one of \(valid.joined(separator: ", "))."
    case .notAManifest(let path, let reason):
      "'\(path)' is no poison manifest: \(reason)."
    case .otherData(let expected, let found):
      "The manifest belongs to data with fingerprint \(expected); this data has \(found)."
    }
  }

  /// What to do about it, in one sentence.
  public var remedy: String {
    switch self {
    case .invalidParameter(let name, _, _): "Correct \(name)."
    case .invalidTarget:
      "Give the number of an existing class with --target (with a recipe or --set: poison.target)."
    case .tooMany: "Lower the rate, or use more data."
    case .nothingToPoison: "Raise the rate, or use more data."
    case .triggerTooLarge: "Use a smaller trigger or larger images."
    case .emptyTrigger: "Use a picture whose trigger pixels are not black."
    case .classifierMissing:
      "Train a classifier on the clean data first and give its checkpoint with --classifier (with a recipe or "
        + "--set: poison.classifier)."
    case .wrongLogits: "Use a classifier of this data set's classes."
    case .gradientNotFinite: "Use a classifier whose training did not diverge."
    case .wrongImages: "Use 8-bit images of 1 or 3 channels."
    case .noTestSamples: "Use a test set with other classes too."
    case .unknownKey(let key, let valid):
      closest(to: key, in: valid).map { "Did you mean '\($0)'?" } ?? "Remove '\(key)'."
    case .unknownName(_, let name, let valid):
      closest(to: name, in: valid).map { "Did you mean '\($0)'?" } ?? "Use a valid name."
    case .notAManifest: "Give the manifest that was written beside the poisoned data."
    case .otherData: "Give the data that the manifest was written with."
    }
  }

  /// Which exit code the tool gives.
  public var category: ErrorCategory {
    switch self {
    case .invalidParameter, .invalidTarget, .tooMany, .nothingToPoison, .triggerTooLarge,
      .classifierMissing, .unknownKey, .unknownName:
      .usage
    case .emptyTrigger, .wrongImages, .noTestSamples, .notAManifest, .otherData: .badData
    case .wrongLogits, .gradientNotFinite: .failure
    }
  }

  /// No case has a deeper cause.
  public var causes: [String] { [] }
}
