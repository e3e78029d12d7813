import BulwarkTraining

/// Shows a run's events on the console: a progress line, and one line of numbers for each stage.
final class ProgressSink: EventSink {
  private let console: Console
  /// Set in front of every line: the name of one of several runs.
  private let prefix: String
  private var stage = ""
  /// The newest value of every metric of the stage.
  private var measured: [MetricValue] = []

  init(_ console: Console, run: String) {
    self.console = console
    prefix = run + ": "
  }

  func receive(_ event: TrainingEvent) {
    switch event {
    case .stage(let name, let step, let steps):
      finishStage()
      stage = name
      console.progress(prefix + spoken(name), completed: step, total: steps)
    case .step(let stage, let step, let steps, _):
      console.progress(prefix + spoken(stage), completed: step, total: steps, detail: detail)
    case .metric(let value, let stage, let step):
      measured.removeAll { $0.definition == value.definition }
      measured.append(value)
      console.detail("\(prefix)\(spoken(stage)), step \(step): \(text(value))")
    case .note(let text):
      console.note(prefix + text)
    }
  }

  /// Tells the numbers of the stage that is over.
  func finishStage() {
    guard !measured.isEmpty else { return }
    console.note("\(prefix)\(spoken(stage)) done: " + measured.map(text).joined(separator: ", "))
    measured = []
  }

  /// What a user watches while a stage runs.
  private var detail: String {
    measured.filter {
      [Metric.cleanAccuracy, Metric.attackSuccessRate, Metric.trainLoss].contains($0.definition)
    }
    .map(text).joined(separator: ", ")
  }

  private func text(_ value: MetricValue) -> String {
    spoken(value.definition.name) + " " + spokenMetric(value)
  }

  private func spoken(_ name: String) -> String { name.replacing("_", with: " ") }
}

/// The number as a person reads it: a share in percent, anything else with its unit.
func spokenMetric(_ value: MetricValue) -> String {
  switch value.definition.unit {
  case "fraction": percent(value.value)
  case "samples": "\(Int(value.value)) of \(value.count)"
  default: "\((value.value * 1000).rounded() / 1000) \(value.definition.unit)"
  }
}
