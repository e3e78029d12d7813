import BulwarkData
import BulwarkDefense
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// What the settings of a recipe stand for.
extension TrainRecipe {
  /// The training methods by name.
  enum Method: String, CaseIterable {
    case standard, dbd
  }

  /// The methods in the order in which they train.
  ///
  /// - Throws: `RecipeError.unfit` for an unknown or repeated name.
  func resolvedMethods() throws -> [Method] {
    let known = try methods.map { name in
      guard let method = Method(rawValue: name) else {
        let valid = Method.allCases.map(\.rawValue)
        let hint = nearestName(to: name, in: valid).map { "; did you mean '\($0)'?" } ?? ""
        throw RecipeError.unfit(
          cause: "'\(name)' is no method, expected \(valid.joined(separator: " or "))\(hint)")
      }
      return method
    }
    guard !known.isEmpty, Set(known).count == known.count else {
      throw RecipeError.unfit(cause: "methods must name at least one method, each once")
    }
    return known
  }

  /// Checks what would otherwise go wrong deep inside a run.
  ///
  /// - Throws: `RecipeError.unfit` naming the setting.
  func validate() throws {
    func require(_ holds: Bool, _ key: String, _ expected: String) throws {
      if !holds { throw RecipeError.unfit(cause: "\(key) must be \(expected)") }
    }
    try require(command == "train", "command", "'train' here")
    try require(threads >= 0, "threads", "0 or more")
    try require(checkpointInterval >= 0, "checkpoint_interval", "0 or more seconds")
    try require(model.width >= 1, "model.width", "at least 1")
    try require(
      PaddingMode(rawValue: augmentation.paddingMode) != nil, "augmentation.padding_mode",
      "reflect or zero")
    try require(augmentation.padding >= 0, "augmentation.padding", "0 or more pixels")
    try require(
      augmentation.minimumCrop > 0 && augmentation.minimumCrop <= 1, "augmentation.minimum_crop",
      "above 0, at most 1")
    try require((0...5).contains(augmentation.jitter), "augmentation.jitter", "0...5")
    try require(
      augmentation.contrastiveSize == 0 || augmentation.contrastiveSize >= 8,
      "augmentation.contrastive_size", "0 or at least 8 pixels")
    let positive: [(String, Int)] = [
      ("standard.epochs", standard.epochs), ("standard.batch_size", standard.batchSize),
      ("dbd.self_supervision.batch_size", dbd.selfSupervision.batchSize),
      ("dbd.head.batch_size", dbd.head.batchSize),
      ("dbd.semi_supervision.steps_per_epoch", dbd.semiSupervision.stepsPerEpoch),
      ("dbd.semi_supervision.batch_size", dbd.semiSupervision.batchSize),
    ]
    for (key, value) in positive { try require(value >= 1, key, "at least 1") }
    for (key, share) in [("share", dbd.filter.share), ("final_share", dbd.filter.finalShare)] {
      try require(share > 0 && share < 1, "dbd.filter.\(key)", "between 0 and 1")
    }
    try require(
      (0..<1).contains(dbd.filter.suspectThreshold), "dbd.filter.suspect_threshold",
      "0 (off) or below 1")
    try require(
      dbd.filter.trustedShare > 0 && dbd.filter.trustedShare <= 1, "dbd.filter.trusted_share",
      "above 0, at most 1")
    try require(dbd.filter.suspectLimit >= 0, "dbd.filter.suspect_limit", "0 (off) or more")
    try require(
      dbd.semiSupervision.unlabeledBatchSize >= 0, "dbd.semi_supervision.unlabeled_batch_size",
      "0 or more")
    try require(
      dbd.semiSupervision.measureEvery >= 0, "dbd.semi_supervision.measure_every", "0 or more")
    _ = try resolvedMethods()
  }

  private enum PaddingMode: String {
    case reflect, zero
  }

  /// What the loader is told.
  func loadOptions(skipBad: Bool) throws -> DataOptions { try data.loadOptions(skipBad: skipBad) }

  /// The network for these images.
  func architecture(for train: ImageDataset) -> Architecture {
    Architecture(
      model.family, stem: model.stem, width: model.width, classes: train.classCount,
      channels: train.channels)
  }

  /// Random crop and flip.
  func weakViews(normalize: Normalize) -> AugmentationPipeline {
    AugmentationPipeline(augmentation.weakSteps + [.normalize(normalize)])
  }
}

extension TrainRecipe.AugmentationSettings {
  /// Random crop and flip, without normalization.
  var weakSteps: [AugmentationStep] {
    var steps: [AugmentationStep] = []
    if padding > 0 {
      let mode: PadCrop.Mode = paddingMode == "zero" ? .zero : .reflect
      steps.append(.padCrop(PadCrop(padding: padding, mode: mode)))
    }
    if flip { steps.append(.horizontalFlip(HorizontalFlip())) }
    return steps
  }
}

extension TrainRecipe.DataSettings {
  /// What the loader is told.
  func loadOptions(skipBad: Bool) throws -> DataOptions {
    func given(_ value: Int) -> Int? { value == 0 ? nil : value }
    var kind: DataKind?
    if self.kind != "auto" {
      guard let named = DataKind(rawValue: self.kind) else {
        throw RecipeError.unfit(
          cause: "data.kind is '\(self.kind)', expected auto or one of \(DataKind.listing)")
      }
      kind = named
    }
    return DataOptions(
      kind: kind, limit: given(limit), testLimit: given(testLimit),
      imageSize: given(imageSize), channels: given(channels), skipBad: skipBad)
  }
}

extension TrainRecipe {
  /// SimCLR's views with the recipe's strengths.
  func contrastiveViews(of train: ImageDataset, normalize: Normalize) -> AugmentationPipeline {
    let strength = augmentation.jitter
    let side = augmentation.contrastiveSize > 0 ? augmentation.contrastiveSize : nil
    var steps: [AugmentationStep] = [
      .randomResizedCrop(
        RandomResizedCrop(
          height: side ?? train.height, width: side ?? train.width,
          scale: augmentation.minimumCrop...1))
    ]
    if augmentation.flip { steps.append(.horizontalFlip(HorizontalFlip())) }
    if strength > 0 {
      steps.append(
        .colorJitter(
          ColorJitter(
            brightness: 0.4 * strength, contrast: 0.4 * strength, saturation: 0.4 * strength,
            hue: 0.1 * strength)))
    }
    if train.channels == 3 { steps.append(.grayscale(Grayscale())) }
    return AugmentationPipeline(steps + [.gaussianBlur(GaussianBlur()), .normalize(normalize)])
  }
}
