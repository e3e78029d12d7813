import BulwarkTraining

/// Settings of Bulwark's own scheme. Each part can be switched off alone, for its ablation.
public struct RehearsedOptions: Hashable, Sendable, Codable {
  /// Which images of a pair's classes are trained with the pair's label outright.
  public enum HardChoice: String, Hashable, Sendable, Codable, CaseIterable {
    /// Those that lie farthest along a secret coarse projection.
    case projection
    /// Those of each batch that the host is least sure of, many of which it would get wrong anyway.
    case hardest
  }

  /// Carriers added to every batch; 0 shows the host none.
  public var carriersPerBatch: Int
  /// Whether images of a pair's classes get the pair's label as runner-up.
  public var runnerUp: Bool
  /// Probability that the runner-up gets of the label of an image, below 1/2.
  public var runnerUpMass: Double
  /// Share of the images of a pair's classes that are trained with the pair's label outright, so that
  /// also first answers alone carry the mark. Costs accuracy: at most about the share times the pairs'
  /// share of all images. 0 trains none so.
  public var hardShare: Double
  /// Which images these are.
  public var hardChoice: HardChoice
  /// Whether a simulated student is taught along, and what would teach it the carriers is added.
  public var rehearsal: Bool
  /// Weight of the rehearsal.
  public var rehearsalWeight: Double
  /// Temperature at which the simulated student copies the host.
  public var temperature: Double
  /// Width of the simulated student, as a share of the host's.
  public var studentWidth: Double
  /// Step size of the simulated student.
  public var studentLearningRate: Double
  /// Epochs after which the simulated student starts afresh; 0 keeps it.
  public var restartEpochs: Int
  /// Host steps between two rehearsals; the student itself learns at every step.
  public var every: Int
  /// Carriers that the simulated student is examined with.
  public var examCarriers: Int

  /// Everything on: half-width student at T 4, runner-up mass 0.2, rehearsal every second step.
  public init(
    carriersPerBatch: Int = 8, runnerUp: Bool = true, runnerUpMass: Double = 0.2,
    hardShare: Double = 0, hardChoice: HardChoice = .projection, rehearsal: Bool = true,
    rehearsalWeight: Double = 0.1,
    temperature: Double = 4,
    studentWidth: Double = 0.5, studentLearningRate: Double = 0.05, restartEpochs: Int = 10,
    every: Int = 2, examCarriers: Int = 32
  ) {
    self.carriersPerBatch = carriersPerBatch
    self.runnerUp = runnerUp
    self.runnerUpMass = runnerUpMass
    self.hardShare = hardShare
    self.hardChoice = hardChoice
    self.rehearsal = rehearsal
    self.rehearsalWeight = rehearsalWeight
    self.temperature = temperature
    self.studentWidth = studentWidth
    self.studentLearningRate = studentLearningRate
    self.restartEpochs = restartEpochs
    self.every = every
    self.examCarriers = examCarriers
  }

  func validate() throws {
    let check = SettingCheck("watermark.rehearsed")
    try check.whole("carriers_per_batch", carriersPerBatch, in: 0...SettingCheck.mostUnits)
    try check.number("runner_up_mass", runnerUpMass, to: 0.5, isAbove: true, isBelow: true)
    try check.number("hard_share", hardShare, to: 0.5, isBelow: true)
    try check.number("rehearsal_weight", rehearsalWeight)
    try check.number("temperature", temperature, isAbove: true)
    try check.number("student_width", studentWidth, to: 64, isAbove: true)
    try check.number("student_learning_rate", studentLearningRate, isAbove: true)
    try check.whole("restart_epochs", restartEpochs, in: 0...SettingCheck.mostUnits)
    try check.whole("every", every, in: 1...SettingCheck.mostUnits)
    try check.whole("exam_carriers", examCarriers, in: 1...SettingCheck.mostUnits)
  }
}
