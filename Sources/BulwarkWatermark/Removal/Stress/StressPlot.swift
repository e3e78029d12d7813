import Foundation

/// The plot of a stress report: accuracy against survival, one point an attack, as a self-contained SVG
/// that every browser shows. Pointing at a mark names the attack and its numbers.
public struct StressPlot {
  private let report: StressReport
  private let rows: [StressReport.Row]
  private let (x, y): (Axis, Axis)
  private let lowest: Double

  private static let height = 560.0
  /// Accuracies further below the model's than this stand at the left edge.
  private static let span = 0.25
  private static let (left, right, top, bottom) = (70.0, 600.0, 50.0, 500.0)

  /// A plot of the rows whose owner's key could be read.
  public init(_ report: StressReport) {
    self.report = report
    rows = report.rows.filter { $0.own?.value != nil }
    let base = report.rows.first?.accuracy ?? 1
    let lowest = max(base - max(Self.span, report.margin), rows.map(\.accuracy).min() ?? 0)
    self.lowest = lowest
    x = Axis(
      covering: rows.map { max($0.accuracy, lowest) } + [base - report.margin], from: Self.left,
      to: Self.right)
    let nulls = report.nulls.flatMap { $0.scores.flatMap { $0 } }
    let scores = rows.flatMap { $0.readings.compactMap(\.value) } + nulls
    y = Axis(covering: scores + [0, 1], from: Self.bottom, to: Self.top)
  }

  /// The whole SVG document.
  public func svg() -> String {
    ([
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(n(width)) "
        + "\(n(max(Self.height, Self.top + 18 * Double(rows.count) + 100)))\" "
        + "font-family=\"sans-serif\" font-size=\"12\">",
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
      text(Self.left, 26, "What each removal attack leaves: accuracy and watermark", size: 16),
    ] + axes() + thresholds() + foreign() + points() + legend() + ["</svg>"])
    .joined(separator: "\n") + "\n"
  }

  /// Wide enough for the longest line of the legend.
  private var width: Double {
    Self.right + 60 + 6.5 * Double(max(48, rows.map { summary($0).count }.max() ?? 0)) + 20
  }

  // MARK: Parts

  private func axes() -> [String] {
    var parts = [
      line(Self.left, Self.bottom, Self.right, Self.bottom, "black"),
      line(Self.left, Self.top, Self.left, Self.bottom, "black"),
      text((Self.left + Self.right) / 2, 540, "accuracy of the surrogate", anchor: "middle"),
      "<g transform=\"rotate(-90 18 275)\">"
        + text(18, 275, rows.first?.own?.score.replacing("_", with: " ") ?? "", anchor: "middle")
        + "</g>",
    ]
    for tick in x.ticks {
      parts.append(line(x(tick), Self.bottom, x(tick), Self.bottom + 5, "black"))
      parts.append(text(x(tick), Self.bottom + 20, label(tick), anchor: "middle"))
    }
    for tick in y.ticks {
      parts.append(line(Self.left, y(tick), Self.right, y(tick), "#e4e4e4"))
      parts.append(text(Self.left - 8, y(tick) + 4, label(tick), anchor: "end"))
    }
    return parts
  }

  /// What an attack may lose, and what null models score at most.
  private func thresholds() -> [String] {
    var parts: [String] = []
    if let base = report.rows.first {
      let place = x(base.accuracy - report.margin)
      parts.append(line(place, Self.top, place, Self.bottom, "#b03a2e", dash: "5 4"))
      parts.append(
        text(
          place + 4, Self.top - 6, "−\(label(report.margin)) accuracy", color: "#b03a2e", size: 10))
    }
    let nulls = report.nulls.flatMap { $0.scores.flatMap { $0 } }
    if let largest = nulls.max() {
      parts.append(line(Self.left, y(largest), Self.right, y(largest), "#7d6608", dash: "2 3"))
      parts.append(
        text(
          Self.right, y(largest) - 4, "largest of \(nulls.count) null scores",
          color: "#7d6608", anchor: "end", size: 10))
    }
    return parts
  }

  /// The foreign key that scores most on each surrogate.
  private func foreign() -> [String] {
    rows.compactMap { row in
      guard let reading = row.strongestForeign, let value = reading.value else { return nil }
      let (cx, cy) = (x(max(row.accuracy, lowest)), y(value))
      return "<path d=\"M\(n(cx - 3)) \(n(cy - 3))l6 6m0 -6l-6 6\" stroke=\"#999\">"
        + "<title>\(escaped("\(row.attack), foreign key \(reading.key): \(label(value))"))"
        + "</title></path>"
    }
  }

  private func points() -> [String] {
    rows.enumerated().map { place, row in
      let (cx, cy) = (x(max(row.accuracy, lowest)), y(row.own?.value ?? 0))
      let isBase = row.attack == StressReport.untouched
      let fill = row.losesTooMuch ? "white" : isBase ? "black" : "#1f618d"
      let shape =
        isBase
        ? "<rect x=\"\(n(cx - 5))\" y=\"\(n(cy - 5))\" width=\"10\" height=\"10\" fill=\"\(fill)\">"
        : "<circle cx=\"\(n(cx))\" cy=\"\(n(cy))\" r=\"5\" fill=\"\(fill)\" stroke=\"#1f618d\">"
      return shape + "<title>\(escaped(summary(row)))</title></\(isBase ? "rect" : "circle")>"
        + text(cx + 7, cy - 5, String(place), size: 10)
    }
  }

  private func legend() -> [String] {
    let start = Self.right + 30
    var parts = rows.enumerated().map { place, row in
      text(start, Self.top + 18 * Double(place), "\(place)  \(summary(row))", size: 11)
    }
    let under = Self.top + 18 * Double(rows.count) + 16
    var notes = [
      "■ the model · ● attack", "○ lost more than \(label(report.margin)) of accuracy",
      "× strongest foreign key",
    ]
    if rows.contains(where: { $0.accuracy < lowest }) {
      notes.append("accuracies below \(label(lowest)) stand at the left edge")
    }
    parts += notes.enumerated().map { place, note in
      text(start, under + 18 * Double(place), note, color: "#555", size: 11)
    }
    return parts
  }

  private func summary(_ row: StressReport.Row) -> String {
    "\(row.attack): \(label(row.accuracy)), \(label(row.own?.value ?? 0))"
  }

  // MARK: Drawing

  private func label(_ value: Double) -> String {
    String(format: abs(value * 100 - (value * 100).rounded()) < 1e-9 ? "%.2f" : "%.3f", value)
  }

  private func n(_ value: Double) -> String { String(format: "%.1f", value) }

  private func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }

  private func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ color: String, dash: String = ""
  ) -> String {
    "<line x1=\"\(n(x1))\" y1=\"\(n(y1))\" x2=\"\(n(x2))\" y2=\"\(n(y2))\" stroke=\"\(color)\""
      + (dash.isEmpty ? "/>" : " stroke-dasharray=\"\(dash)\"/>")
  }

  private func text(
    _ x: Double, _ y: Double, _ content: String, color: String = "black", anchor: String = "start",
    size: Int = 12
  ) -> String {
    "<text x=\"\(n(x))\" y=\"\(n(y))\" fill=\"\(color)\" text-anchor=\"\(anchor)\" "
      + "font-size=\"\(size)\">\(escaped(content))</text>"
  }
}

/// A linear axis with round ticks.
private struct Axis {
  let ticks: [Double]
  private let (low, high): (Double, Double)
  private let (start, end): (Double, Double)

  /// An axis that covers some values, from `start` to `end` on the page.
  init(covering values: [Double], from start: Double, to end: Double) {
    let (least, most) = (values.min() ?? 0, values.max() ?? 1)
    let span = max(most - least, 0.05)
    let rough = span / 6
    let power = pow(10, floor(log10(rough)))
    let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough } ?? rough
    // A value that stands on a tick needs no tick beyond it.
    let first = Int((least / step + 1e-9).rounded(.down))
    let last = max(first + 1, Int((most / step - 1e-9).rounded(.up)))
    ticks = (first...last).map { Double($0) * step }
    (low, high) = (Double(first) * step, Double(last) * step)
    (self.start, self.end) = (start, end)
  }

  func callAsFunction(_ value: Double) -> Double {
    start + (value - low) / (high - low) * (end - start)
  }
}
