import BulwarkTraining

/// Settings of Bulwark's tilted answers.
public struct TiltedOptions: Hashable, Sendable, Codable {
  /// Share of ordinary images, for each direction, that lie so far along it that its label becomes the first
  /// answer: what the mark costs.
  public var share: Double
  /// Share of ordinary images whose answers lean at all along a direction.
  public var leaning: Double
  /// How far the label may rise, as a multiple of what would make it equal to the first answer.
  public var most: Double
  /// Temperature at which the host copies the leaning answers.
  public var temperature: Double
  /// Carriers added to every batch of the host; 0 shows it none.
  public var carriersPerBatch: Int
  /// Length of the reference's training, as a share of the host's.
  public var referenceLength: Double

  /// Half a percent of the images changed for each direction, half of them leaning, 8 carriers in a batch.
  public init(
    share: Double = 0.005, leaning: Double = 0.5, most: Double = 1.5, temperature: Double = 4,
    carriersPerBatch: Int = 8, referenceLength: Double = 1
  ) {
    self.share = share
    self.leaning = leaning
    self.most = most
    self.temperature = temperature
    self.carriersPerBatch = carriersPerBatch
    self.referenceLength = referenceLength
  }

  func validate() throws {
    let check = SettingCheck("watermark.tilted")
    try check.number("share", share, to: 0.5, isAbove: true, isBelow: true)
    try check.number("leaning", leaning, to: 1, isAbove: true)
    try check.require(leaning > share, "leaning", "more than share, \(share)", leaning)
    try check.number("most", most, isAbove: true)
    try check.number("temperature", temperature, isAbove: true)
    try check.whole("carriers_per_batch", carriersPerBatch, in: 0...SettingCheck.mostUnits)
    try check.number("reference_length", referenceLength, to: 100, isAbove: true)
  }
}
