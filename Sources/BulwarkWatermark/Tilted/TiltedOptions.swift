import BulwarkTraining

/// Settings of Bulwark's tilted answers.
public struct TiltedOptions: Hashable, Sendable, Codable {
  /// How many directions the secret draws for the owner to choose the key's among, each with any label, by what an
  /// unmarked network answers; 0 takes the first ones with labels that are drawn.
  public var candidates: Int
  /// How far a label may be behind the first answer to count as within reach of a lean, in logits.
  public var reach: Double
  /// Share of ordinary images whose first answer the lean changes, all directions together. What the mark
  /// costs in accuracy is less: answers change where they are least sure, and many of these are wrong.
  public var share: Double
  /// How far along a direction answers begin to lean, in standard deviations of ordinary images.
  public var start: Double
  /// Temperature at which the host copies the leaning answers.
  public var temperature: Double
  /// Share of the true labels in what the host learns from ordinary images, at least 0 and below 1; the leaning
  /// answers are the rest.
  public var labelShare: Double
  /// Carriers added to every batch of the host; 0 shows it none.
  public var carriersPerBatch: Int
  /// Length of the unmarked network's training, as a share of the run's epochs.
  public var referenceLength: Double
  /// Length of the training that teaches it to lean, as a share of the run's epochs.
  public var leaningLength: Double
  /// Learning rate of that training, as a share of the run's.
  public var leaningRate: Double

  /// Directions chosen among 48 with labels at most 2.2 logits behind, 4.5 % of the first answers changed,
  /// leaning from one deviation on, 12 carriers in a batch, 0.6 times the run's epochs at half its rate.
  public init(
    candidates: Int = CarrierPlan.usualCandidates, reach: Double = 2.2, share: Double = 0.045,
    start: Double = 1,
    temperature: Double = 4, labelShare: Double = 0.3, carriersPerBatch: Int = 12,
    referenceLength: Double = 1,
    leaningLength: Double = 0.6, leaningRate: Double = 0.5
  ) {
    self.candidates = candidates
    self.reach = reach
    self.share = share
    self.start = start
    self.temperature = temperature
    self.labelShare = labelShare
    self.carriersPerBatch = carriersPerBatch
    self.referenceLength = referenceLength
    self.leaningLength = leaningLength
    self.leaningRate = leaningRate
  }

  /// How directions are chosen.
  public var rule: DirectionRule { DirectionRule(candidates: candidates, reach: reach) }

  func validate() throws {
    let check = SettingCheck("watermark.tilted")
    try check.whole("candidates", candidates, in: 0...CarrierPlan.mostCandidates)
    try check.number("reach", reach, to: 100)
    try check.number("share", share, to: 0.5, isAbove: true, isBelow: true)
    try check.number("start", start, to: 10)
    try check.number("temperature", temperature, isAbove: true)
    try check.number("label_share", labelShare, to: 1, isBelow: true)
    try check.whole("carriers_per_batch", carriersPerBatch, in: 0...SettingCheck.mostUnits)
    try check.number("reference_length", referenceLength, to: 100, isAbove: true)
    try check.number("leaning_length", leaningLength, to: 100, isAbove: true)
    try check.number("leaning_rate", leaningRate, to: 100, isAbove: true)
  }
}
