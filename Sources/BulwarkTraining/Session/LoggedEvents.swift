import Logging

/// Writes what happens in a run to a logger of swift-log, whose destination the host program chooses.
///
/// Stages and metrics have level `info`, notes `notice`, single steps `trace`. Numbers stand in the metadata, where
/// a structured destination finds them: `stage`, `step`, `steps`, `samples`, `metric`, `value`, `unit`, `count`.
///
/// A session holds its sink weakly: keep this object as long as the run.
public final class LoggedEvents: EventSink {
  private let logger: Logger

  /// A sink.
  ///
  /// - Parameter logger: with level and destination as the host program wants them.
  public init(_ logger: Logger) { self.logger = logger }

  /// Logs one event.
  public func receive(_ event: TrainingEvent) {
    switch event {
    case .stage(let name, let step, let steps):
      logger.info(
        "stage \(name)", metadata: ["stage": "\(name)", "step": "\(step)", "steps": "\(steps)"])
    case .step(let stage, let step, let steps, let samples):
      logger.trace(
        "step \(step) of \(steps)",
        metadata: [
          "stage": "\(stage)", "step": "\(step)", "steps": "\(steps)", "samples": "\(samples)",
        ])
    case .metric(let value, let stage, let step):
      logger.info(
        "\(value.definition.name) \(value.value)",
        metadata: [
          "stage": "\(stage)", "step": "\(step)", "metric": "\(value.definition.name)",
          "value": "\(value.value)", "unit": "\(value.definition.unit)",
          "count": "\(value.count)",
        ])
    case .note(let text):
      logger.notice("\(text)")
    }
  }
}
