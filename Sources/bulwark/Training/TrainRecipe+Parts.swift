import BulwarkData
import BulwarkDefense
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import BulwarkUnlearning

/// What the settings of a recipe stand for.
extension TrainRecipe {
  /// The recipe that a checkpoint holds; nil where that is none of training.
  ///
  /// - Parameters:
  ///   - text: the recipe as YAML.
  ///   - file: the checkpoint, for messages.
  init?(text: String, file: String) {
    guard var tree = try? RecipeTree(defaults: TrainRecipe()),
      (try? tree.overlay(yaml: text, file: file)) != nil,
      let found = try? tree.settings(as: TrainRecipe.self)
    else { return nil }
    self = found
  }

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

  /// Checks what would otherwise go wrong deep inside a run, or be senseless.
  ///
  /// - Throws: `RecipeError.setting` naming the setting, what it may be and what it is;
  ///   `RecipeError.unfit` for unknown methods.
  func validate() throws {
    let check = SettingCheck()
    try check.require(command == "train", "command", "'train' here", "'\(command)'")
    try check.whole("threads", threads, in: 0...4096)
    try check.number("checkpoint_interval", checkpointInterval)
    try data.validate("data")
    try poison.validate("poison")
    try SettingCheck("model").whole("width", model.width, in: 1...8192)
    try augmentation.validate("augmentation")
    try standard.validate("standard")
    try dbd.validate("dbd")
    _ = try resolvedMethods()
  }

  /// What the loader is told.
  func loadOptions(skipBad: Bool) throws -> DataOptions { try data.loadOptions(skipBad: skipBad) }

  /// The samples to leave out and those that stay; nil where there are none to leave out.
  ///
  /// - Throws: what `ForgetListFile` throws; `UnlearningError.everything` where none would stay.
  func samplesToLeaveOut(of count: Int) throws -> ForgetSet? {
    try ForgetListFile.samplesToLeaveOut(leaveOut, of: count)
  }

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
  private enum PaddingMode: String {
    case reflect, zero
  }

  /// Checks the settings.
  ///
  /// - Throws: `RecipeError.setting`.
  func validate(_ key: String) throws {
    let check = SettingCheck(key)
    try check.require(
      PaddingMode(rawValue: paddingMode) != nil, "padding_mode", "reflect or zero",
      "'\(paddingMode)'")
    try check.whole("padding", padding, in: 0...1024)
    try check.number("minimum_crop", minimumCrop, to: 1, isAbove: true)
    try check.number("jitter", jitter, to: 5)
    try check.require(
      contrastiveSize == 0 || (8...1024).contains(contrastiveSize), "contrastive_size",
      "0 (the images' side) or a whole number in 8...1024", contrastiveSize)
  }

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
  /// Checks the numbers.
  ///
  /// - Throws: `RecipeError.setting`.
  func validate(_ key: String) throws {
    let check = SettingCheck(key)
    for (name, value) in [("limit", limit), ("test_limit", testLimit)] {
      try check.require(value >= 0, name, "0 (all) or a whole number of at least 1", value)
    }
    try check.require(
      (0...ImageCodec.maximumSide).contains(imageSize), "image_size",
      "0 (as stored) or a whole number in 1...\(ImageCodec.maximumSide)", imageSize)
    try check.require(
      [0, 1, 3].contains(channels), "channels", "0 (as stored), 1 or 3", channels)
  }

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
