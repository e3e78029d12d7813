import BulwarkTraining

/// Shows a run's events on the console.
final class ProgressSink: EventSink {
  private let console: Console
  /// Set in front of every line, for instance the name of one of several runs.
  private let prefix: String

  init(_ console: Console, run: String? = nil) {
    self.console = console
    prefix = run.map { $0 + ": " } ?? ""
  }

  func receive(_ event: TrainingEvent) {
    switch event {
    case .stage(let name, let step, let steps):
      console.progress(prefix + spoken(name), completed: step, total: steps)
    case .step(let stage, let step, let steps, _):
      console.progress(prefix + spoken(stage), completed: step, total: steps)
    case .metric(let value, let stage, let step):
      let text =
        "\(prefix)\(spoken(stage)), step \(step): \(spoken(value.definition.name)) "
        + spokenMetric(value)
      // The loss of every epoch would drown the rest.
      if value.definition == Metric.trainLoss { console.detail(text) } else { console.note(text) }
    case .note(let text):
      console.note(prefix + text)
    }
  }

  private func spoken(_ name: String) -> String { name.replacing("_", with: " ") }
}

/// The number as a person reads it: a share in percent, anything else with its unit.
func spokenMetric(_ value: MetricValue) -> String {
  switch value.definition.unit {
  case "fraction": percent(value.value)
  case "samples": "\(Int(value.value)) of \(value.count)"
  default: "\((value.value * 10000).rounded() / 10000) \(value.definition.unit)"
  }
}
