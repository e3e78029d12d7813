import BulwarkStore
import BulwarkTensor
import Foundation

/// Arithmetic of a run.
public enum Precision: String, Sendable, Codable, CaseIterable {
  /// float32 everywhere.
  case fp32
  /// bfloat16 in convolutions and matrix products, by LibTorch's autocast; float32 elsewhere.
  case bf16
  /// bf16 where that is faster (CUDA, AMX), otherwise fp32.
  case auto

  /// The precision that `auto` stands for on `device`.
  public func resolved(on device: Device) throws -> Precision {
    guard self == .auto else { return self }
    if device != .cpu { return .bf16 }
    return try Runtime.shared().cpuHasFastBFloat16() ? .bf16 : .fp32
  }
}

/// What happens during a run, in order.
public enum TrainingEvent: Sendable {
  /// A stage begins at `step` of `steps`.
  case stage(name: String, step: Int, steps: Int)
  /// A step ended.
  case step(stage: String, step: Int, steps: Int, samples: Int)
  /// A number was measured at the end of `step` steps of `stage`.
  case metric(MetricValue, stage: String, step: Int)
  /// Something worth a line in the log.
  case note(String)
}

/// Where events go: a progress bar, a log, a test.
public protocol EventSink: AnyObject {
  /// Takes one event.
  func receive(_ event: TrainingEvent)
}

/// A run that was asked to stop, after its checkpoint was written.
public struct TrainingInterrupted: Error, Equatable {
  /// Stage in which it stopped.
  public let stage: String
  /// Steps of that stage that are done.
  public let step: Int
}

/// What every training loop needs from outside: device, precision, random key, events, a way to be
/// stopped and a place for checkpoints.
public final class TrainingSession {
  /// Where the model and the batches live.
  public let device: Device
  /// `fp32` or `bf16`.
  public let precision: Precision
  /// Root of all random numbers of the run.
  public let key: RandomKey
  /// The run's seed, for the record.
  public let seed: UInt64
  private weak var events: (any EventSink)?
  private let stopRequested: () -> Bool
  private let save: ((Checkpoint) throws -> Void)?
  private let interval: Double
  private var lastSave: Date

  /// Opens a session.
  ///
  /// - Parameters:
  ///   - seed: the same seed gives the same bytes on the CPU with the same number of threads.
  ///   - device: where the model and the batches live.
  ///   - precision: `auto` is resolved here.
  ///   - events: told what happens; held weakly.
  ///   - checkpointInterval: seconds between checkpoints inside a stage.
  ///   - stopRequested: asked after every step.
  ///   - save: writes a checkpoint; nil keeps none.
  /// - Throws: `TensorError` when LibTorch cannot be loaded.
  public init(
    seed: UInt64, device: Device = .cpu, precision: Precision = .fp32,
    events: (any EventSink)? = nil, checkpointInterval: Double = 60,
    stopRequested: @escaping () -> Bool = { false }, save: ((Checkpoint) throws -> Void)? = nil
  ) throws {
    self.seed = seed
    key = RandomKey(seed: seed)
    self.device = device
    self.precision = try precision.resolved(on: device)
    self.events = events
    self.stopRequested = stopRequested
    self.save = save
    interval = checkpointInterval
    lastSave = Date()
  }

  /// A session of another seed on the same device: same precision, events and way to be stopped, its own
  /// place for checkpoints.
  ///
  /// - Parameters:
  ///   - seed: of the new session.
  ///   - save: writes a checkpoint; nil keeps none.
  /// - Returns: a session of its own.
  /// - Throws: `TensorError`.
  public func sibling(seed: UInt64, save: ((Checkpoint) throws -> Void)? = nil) throws
    -> TrainingSession
  {
    try TrainingSession(
      seed: seed, device: device, precision: precision, events: events,
      checkpointInterval: interval, stopRequested: stopRequested, save: save)
  }

  /// For work that keeps nothing when it stops and is done again later.
  ///
  /// - Throws: `TrainingInterrupted` when the run was asked to stop; no checkpoint is written.
  public func stopIfAsked(stage: String, step: Int) throws {
    if stopRequested() { throw TrainingInterrupted(stage: stage, step: step) }
  }

  /// Tells the sink.
  public func tell(_ event: TrainingEvent) { events?.receive(event) }

  /// Runs a forward pass in the run's precision.
  public func inPrecision<Result>(_ body: () throws -> Result) throws -> Result {
    try withAutocast(precision == .bf16, on: device, body)
  }

  /// Called by a loop after every step: reports it, and writes a checkpoint when one is due or the
  /// run was asked to stop.
  ///
  /// - Throws: `TrainingInterrupted` when the run was asked to stop; the checkpoint is written then.
  public func finished(
    stage: String, step: Int, of steps: Int, samples: Int, snapshot: () throws -> Checkpoint
  ) throws {
    tell(.step(stage: stage, step: step, steps: steps, samples: samples))
    let stops = stopRequested()
    if let save, stops || Date().timeIntervalSince(lastSave) >= interval {
      try save(snapshot())
      lastSave = Date()
    }
    if stops { throw TrainingInterrupted(stage: stage, step: step) }
  }

  /// Writes a checkpoint now, at the end of a stage.
  public func keep(_ snapshot: () throws -> Checkpoint) throws {
    guard let save else { return }
    try save(snapshot())
    lastSave = Date()
  }
}
