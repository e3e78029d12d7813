import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// One step of a host's training as a scheme sees it.
struct HostPass {
  /// Views of task images as the host gets them, [B, C, H, W], float32, normalized, on the device.
  let images: Tensor
  /// Their labels, [B], int64, on the device.
  let labels: Tensor
  /// The step, counted over the whole run.
  let step: Int
  /// The epoch that the step belongs to.
  let epoch: Int
}

/// How the host's own training differs from the run's settings.
struct HostPace {
  /// Length, as a share of the settings' epochs.
  var length = 1.0
  /// Learning rate, as a share of the settings'.
  var rate = 1.0
}

/// How a scheme takes part in the training of its host. One object serves one run.
///
/// The trainer calls `prepare` once, then for each step `loss`, which it descends, and `finish`.
protocol WatermarkProcedure: AnyObject {
  /// What must exist before the host's first step: ingrain trains its second network here.
  ///
  /// - Parameter snapshot: of the whole run, for checkpoints in between.
  /// - Throws: `TrainingInterrupted` after a checkpoint when the session was asked to stop.
  func prepare(_ snapshot: () throws -> Checkpoint) throws

  /// The second network that `prepare` trains; nil for schemes without one.
  var companion: Companion? { get }

  /// The key with what `prepare` chose for it; nil where nothing is to be chosen, or not yet.
  var chosenKey: WatermarkKey? { get }

  /// How long and how fast the host is trained.
  var pace: HostPace { get }

  /// The loss of one step, a scalar, float32. Called inside the run's precision.
  func loss(_ pass: HostPass) throws -> Tensor

  /// What follows the host's update: a rehearsing student learns here.
  func finish(_ pass: HostPass) throws

  /// Everything beyond the host that a resumed run needs.
  var states: [String: StateDict] { get throws }

  /// Takes over states saved before.
  func load(_ states: [String: StateDict]) throws

  /// Facts worth recording about the run, by name.
  var findings: [String: JSONValue] { get }
}

extension WatermarkProcedure {
  func prepare(_ snapshot: () throws -> Checkpoint) throws {}
  var companion: Companion? { nil }
  var chosenKey: WatermarkKey? { nil }
  var pace: HostPace { HostPace() }
  func finish(_ pass: HostPass) throws {}
  var states: [String: StateDict] { [:] }
  func load(_ states: [String: StateDict]) throws {}
  var findings: [String: JSONValue] { [:] }
}

extension WatermarkOptions {
  /// The procedure of a scheme.
  func procedure(_ context: HostContext) throws -> any WatermarkProcedure {
    switch context.key.mark.scheme {
    case .adi, .zhangContent, .zhangUnrelated, .zhangNoise:
      try DirectEmbedding(context, direct)
    case .ingrain: try Ingrain(context, ingrain)
    case .uchida: try UchidaEmbedding(context, uchida)
    case .ewe: try EntangledEmbedding(context, ewe)
    case .margin: try MarginEmbedding(context, margin)
    case .coswm: try CosineEmbedding(context, coswm)
    case .rehearsed: try Rehearsed(context, rehearsed)
    case .tilted: try Tilted(context, tilted)
    }
  }
}
