import BulwarkTraining

/// What the settings may be.
extension DBDOptions {
  /// Checks what would otherwise go wrong deep inside a run, or be senseless.
  ///
  /// - Parameter key: name of the group of settings, for the message.
  /// - Throws: `RecipeError.setting` naming the setting, what it may be and what it is.
  public func validate(_ key: String = "dbd") throws {
    try selfSupervision.validate("\(key).self_supervision")
    try head.validate("\(key).head")
    try filter.validate("\(key).filter")
    try semiSupervision.validate("\(key).semi_supervision")
  }
}

extension DBDOptions.SelfSupervision {
  func validate(_ key: String) throws {
    let check = SettingCheck(key)
    try check.whole("epochs", epochs, in: 0...SettingCheck.mostUnits)
    try check.whole("batch_size", batchSize, in: 1...SettingCheck.mostUnits)
    try check.number("learning_rate", learningRate)
    try check.number("momentum", momentum, to: 1, isBelow: true)
    try check.number("weight_decay", weightDecay)
    try check.whole("cosine_epochs", cosineEpochs, in: 1...SettingCheck.mostUnits)
    try check.number("warmup_epochs", warmupEpochs)
    try check.number("temperature", temperature, isAbove: true)
    try check.whole("embedding_size", embeddingSize, in: 1...65_536)
    try check.number("overlay", overlay, to: 1)
    try check.number("waves", waves)
  }
}

extension DBDOptions.Head {
  func validate(_ key: String) throws {
    let check = SettingCheck(key)
    try check.whole("epochs", epochs, in: 0...SettingCheck.mostUnits)
    try check.whole("batch_size", batchSize, in: 1...SettingCheck.mostUnits)
    try check.number("learning_rate", learningRate)
    try check.number("alpha", alpha)
    try check.number("beta", beta)
    try check.number("clique_share", cliqueShare, to: 1)
    try check.whole("clique_neighbors", cliqueNeighbors, in: 1...10_000)
    try check.number("shortcut_share", shortcutShare, to: 1)
  }
}

extension DBDOptions.Filter {
  func validate(_ key: String) throws {
    let check = SettingCheck(key)
    try check.number("share", share, to: 1, isAbove: true, isBelow: true)
    try check.number("final_share", finalShare, to: 1, isAbove: true, isBelow: true)
    try check.whole("growth_epochs", growthEpochs, in: 0...SettingCheck.mostUnits)
    try check.whole("neighbor_epochs", neighborEpochs, in: 0...SettingCheck.mostUnits)
    try check.whole("neighbors", neighbors, in: 1...10_000)
    try check.number("suspect_threshold", suspectThreshold, to: 1, isBelow: true)
    try check.number("suspect_ratio", suspectRatio, to: 1)
    try check.whole("suspect_from_epoch", suspectFromEpoch, in: 0...SettingCheck.mostUnits)
    try check.number("trusted_share", trustedShare, to: 1, isAbove: true)
    try check.number("suspect_limit", suspectLimit)
    try check.number("clique_rest_share", cliqueRestShare, to: 1, isAbove: true, isBelow: true)
  }
}

extension DBDOptions.SemiSupervision {
  func validate(_ key: String) throws {
    let check = SettingCheck(key)
    try check.whole("epochs", epochs, in: 0...SettingCheck.mostUnits)
    try check.whole("steps_per_epoch", stepsPerEpoch, in: 1...SettingCheck.mostUnits)
    try check.whole("batch_size", batchSize, in: 1...SettingCheck.mostUnits)
    try check.whole("unlabeled_batch_size", unlabeledBatchSize, in: 0...SettingCheck.mostUnits)
    try check.number("inoculation", inoculation, to: 1)
    try check.number("learning_rate", learningRate)
    try check.number("weight_decay", weightDecay)
    try check.require(
      optimizer == .sgd || weightDecay == 0, "weight_decay", "0 with optimizer: adam", weightDecay)
    // Below a tenth, the powers of all probabilities can be too small for float32.
    try check.require(temperature >= 0.1, "temperature", "at least 0.1", temperature)
    try check.number("mixup_alpha", mixupAlpha, isAbove: true)
    try check.number("unlabeled_weight", unlabeledWeight)
    try check.whole("ramp_epochs", rampEpochs, in: 0...SettingCheck.mostUnits)
    try check.number("average_decay", averageDecay, to: 1, isBelow: true)
    try check.whole("measure_every", measureEvery, in: 0...SettingCheck.mostUnits)
  }
}
