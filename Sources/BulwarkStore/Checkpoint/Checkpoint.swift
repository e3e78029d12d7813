import BulwarkTensor

/// Everything that a run leaves behind, as one value: weights, how they were made, and the evidence.
///
/// ``write(to:overwrite:)`` stores it as one HDF5 file (Docs/FileFormat.md), ``init(reading:policy:)``
/// reads it back. Equal content gives equal bytes: no time or machine is stored.
public struct Checkpoint: Sendable {
  /// What was subtracted from and divided out of the images, channel by channel.
  public struct Normalization: Hashable, Sendable, Codable {
    /// Mean of each channel, for images in 0...1.
    public var mean: [Double]
    /// Standard deviation of each channel.
    public var std: [Double]

    /// Makes a normalization.
    public init(mean: [Double], std: [Double]) {
      self.mean = mean
      self.std = std
    }
  }

  /// The optimizer's state.
  public struct Optimizer: Sendable {
    /// Its tensors, for example `layer1.0.conv1.weight.momentum`.
    public var tensors: StateDict
    /// Its name and settings.
    public var settings: JSONValue

    /// Makes an optimizer state.
    public init(tensors: StateDict, settings: JSONValue = .null) {
      self.tensors = tensors
      self.settings = settings
    }
  }

  /// Where the run stands.
  public struct Progress: Hashable, Sendable, Codable {
    /// Name of the stage, for example `self-supervision`.
    public var stage: String
    /// Epochs finished in this stage.
    public var epoch: Int
    /// Optimizer steps finished in this stage.
    public var step: Int
    /// Seed of the run.
    public var seed: UInt64
    /// Random key from which the next step draws, when it is not the seed's own.
    public var key: RandomKey?

    /// Makes a progress mark.
    public init(
      stage: String = "", epoch: Int = 0, step: Int = 0, seed: UInt64 = 0, key: RandomKey? = nil
    ) {
      self.stage = stage
      self.epoch = epoch
      self.step = step
      self.seed = seed
      self.key = key
    }

    /// Whether a run was stopped here and goes on with `--resume`: finished runs say `done`, models that no run trains
    /// any more say nothing.
    public var isUnfinished: Bool { !["", "done"].contains(stage) }
  }

  /// Format name in the root attribute `format`.
  public static let format = "bulwark.checkpoint"
  static let kind = "ckpt"
  static let producer = "Bulwark"

  /// Model weights and buffers under `state_dict` names, in order.
  public var weights: StateDict
  /// The architecture, enough to build the model again.
  public var architecture: JSONValue
  /// The normalization that the model expects.
  public var normalization: Normalization?
  /// Names of the classes in the order of the labels.
  public var classNames: [String]
  /// The optimizer's state, for a run that can be resumed.
  public var optimizer: Optimizer?
  /// The schedule's settings and state.
  public var schedule: JSONValue
  /// Where the run stands.
  public var progress: Progress
  /// The resolved recipe as text (YAML or JSON).
  public var recipe: String?
  /// Fingerprints of the data sets by role: `train`, `test`.
  public var fingerprints: [String: String]
  /// Sample indices by name: `poisoned`, `flagged`, `labeled_pool`.
  public var indexSets: [String: [Int]]
  /// History of the metrics.
  public var history: [MetricSeries]
  /// Further tensors by owner, for example `ema` or `dbd`.
  public var states: [String: StateDict]
  /// Anything else worth keeping.
  public var notes: JSONValue
  /// Version of the code that wrote the checkpoint.
  public var codeVersion: String

  /// Makes a checkpoint; everything but the weights may be left out.
  public init(
    weights: StateDict, architecture: JSONValue = .null, normalization: Normalization? = nil,
    classNames: [String] = [], optimizer: Optimizer? = nil, schedule: JSONValue = .null,
    progress: Progress = Progress(), recipe: String? = nil, fingerprints: [String: String] = [:],
    indexSets: [String: [Int]] = [:], history: [MetricSeries] = [],
    states: [String: StateDict] = [:], notes: JSONValue = .null, codeVersion: String = ""
  ) {
    self.weights = weights
    self.architecture = architecture
    self.normalization = normalization
    self.classNames = classNames
    self.optimizer = optimizer
    self.schedule = schedule
    self.progress = progress
    self.recipe = recipe
    self.fingerprints = fingerprints
    self.indexSets = indexSets
    self.history = history
    self.states = states
    self.notes = notes
    self.codeVersion = codeVersion
  }
}
