import BulwarkData
import BulwarkTraining
import BulwarkUnlearning

/// One row of an unlearning run: a method and, where it was named, its mask.
struct MethodRow: Equatable {
  /// `salun`, `ft+saliency`, ...
  let name: String
  let method: UnlearningMethod
  /// Replaces the recipe's kind of mask.
  let mask: MaskOptions.Kind?

  /// Reads `NAME` or `NAME+MASK`.
  ///
  /// - Throws: `RecipeError.unfit` naming the nearest valid name.
  init(parsing text: String) throws {
    let parts = text.split(separator: "+", omittingEmptySubsequences: false).map(String.init)
    func unknown(_ what: String, _ name: String, _ valid: [String]) -> RecipeError {
      let hint = nearestName(to: name, in: valid).map { "; did you mean '\($0)'?" } ?? ""
      return .unfit(
        cause: "'\(name)' is no \(what), expected one of \(valid.joined(separator: ", "))\(hint)")
    }
    guard let method = UnlearningMethod(rawValue: parts[0]) else {
      throw unknown("method", parts[0], UnlearningMethod.allCases.map(\.rawValue))
    }
    self.method = method
    if parts.count > 1 {
      guard let kind = MaskOptions.Kind(rawValue: parts[1]), parts.count == 2 else {
        throw unknown("mask", parts[1], MaskOptions.Kind.allCases.map(\.rawValue))
      }
      guard method.startsFromCheckpoint else {
        throw RecipeError.unfit(
          cause: "'\(text)': retraining starts from new weights, so a mask "
            + "has no meaning")
      }
      mask = kind
    } else {
      mask = nil
    }
    name = text
  }

  /// The name as part of a file name.
  var fileName: String { name.replacing("+", with: "-") }
}

/// What the settings of a recipe stand for.
extension UnlearnRecipe {
  /// The methods in the order in which they run.
  ///
  /// - Throws: `RecipeError.unfit` for an unknown or repeated name.
  func rows() throws -> [MethodRow] {
    let rows = try methods.map(MethodRow.init(parsing:))
    guard !rows.isEmpty, Set(rows.map(\.name)).count == rows.count else {
      throw RecipeError.unfit(cause: "methods must name at least one method, each once")
    }
    return rows
  }

  /// Which weights a row may move.
  func mask(of row: MethodRow) -> MaskOptions {
    var mask = mask
    if let kind = row.mask { mask.kind = kind }
    return mask
  }

  /// Sets the share of the weights that may move.
  ///
  /// - Throws: `ToolError.usage` where no row has a mask; as `rows`.
  mutating func take(ratio: Double) throws {
    mask.ratio = ratio
    guard
      try rows().contains(where: {
        $0.method.startsFromCheckpoint && mask(of: $0).kind(for: $0.method) != .none
      })
    else {
      throw ToolError.usage(
        "--ratio is the share of the weights that a mask lets move, and no method here has a mask.",
        remedy: "Add --mask saliency (or random, inverted), or leave --ratio out.")
    }
  }

  /// Checks what would otherwise go wrong deep inside a run.
  ///
  /// - Throws: `RecipeError.setting` or `RecipeError.unfit` naming the setting.
  func validate() throws {
    func require(_ holds: Bool, _ key: String, _ expected: String) throws {
      if !holds { throw RecipeError.unfit(cause: "\(key) must be \(expected)") }
    }
    let check = SettingCheck()
    try require(command == "unlearn", "command", "'unlearn' here")
    try check.whole("threads", threads, in: 0...4096)
    try check.whole("seeds", seeds, in: 1...1000)
    try check.number("checkpoint_interval", checkpointInterval)
    try require(!checkpoint.isEmpty, "checkpoint", "the path of a checkpoint (--checkpoint)")
    try require(
      !forget.isEmpty, "forget",
      "a list, class:NAME, random:SHARE, source:FOLDER or indices:1,2,3 (--forget)")
    try check.number("relearning.share", relearning.share, to: 1, isAbove: true)
    try require(
      relearning.epochs.allSatisfy { [1, 5].contains($0) }, "relearning.epochs", "1, 5 or both")
    try relearning.training.validate("relearning.training")
    try check.require(
      audit.shadows == 0 || ((6...1000).contains(audit.shadows) && audit.shadows % 2 == 0),
      "audit.shadows", "0, or an even number in 6...1000", audit.shadows)
    try check.require(
      audit.retrainShadows == 0
        || (audit.retrainShadows >= 6 && audit.retrainShadows % 2 == 0
          && audit.retrainShadows <= audit.shadows),
      "audit.retrain_shadows", "0 (all), or an even number of at least 6 and at most audit.shadows",
      audit.retrainShadows)
    try check.number("audit.share", audit.share, to: 1, isAbove: true, isBelow: true)
    try data.validate("data")
    try retrain.validate("retrain")
    try augmentation.validate("augmentation")
    try mask.validate()
    try settings.validate()
    _ = try rows()
  }

  /// The test images that count.
  func part(of test: ImageDataset?) throws -> ImageDataset? {
    guard let test, testPart != .all else { return test }
    let halves = SampleSelection.split(
      labels: test.labels, classCount: test.classCount, testFraction: 0.5)
    return try test.subset(testPart == .validation ? halves.train : halves.test)
  }
}
