import BulwarkStore

/// All numbers measured during a run, by stage and metric.
public struct MetricHistory: Sendable {
  /// One series a stage and metric, named `<stage>/<metric>`.
  public private(set) var series: [MetricSeries]

  /// A history, empty or taken from a checkpoint.
  public init(_ series: [MetricSeries] = []) { self.series = series }

  /// Adds one number.
  public mutating func record(_ metric: MetricValue, stage: String, step: Int) {
    let name = "\(stage)/\(metric.definition.name)"
    let index: Int
    if let found = series.firstIndex(where: { $0.name == name }) {
      index = found
    } else {
      index = series.count
      series.append(MetricSeries(name: name, unit: metric.definition.unit))
    }
    series[index].append(metric.value, at: step)
  }

  /// The newest value of a metric in a stage.
  public func last(_ definition: MetricDefinition, stage: String) -> Double? {
    series.first { $0.name == "\(stage)/\(definition.name)" }?.values.last
  }
}
