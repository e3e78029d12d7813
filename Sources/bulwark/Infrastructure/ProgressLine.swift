import Foundation

/// Decides what of the progress is printed: a bar that redraws itself on a terminal, otherwise one
/// plain line every few seconds.
struct ProgressLine {
  let isTerminal: Bool
  /// Seconds between two lines (plain) or redraws (terminal).
  let interval: Double
  private var label = ""
  private var labelStart = 0.0
  private var completedAtStart = 0
  private var lastCompleted = 0
  private var lastPrint: Double?
  private var isOpen = false

  init(isTerminal: Bool) {
    self.isTerminal = isTerminal
    interval = isTerminal ? 0.1 : 5
  }

  /// Takes note of the progress.
  ///
  /// - Parameters:
  ///   - label: The stage; a new one, or the same begun again, restarts the rate and is printed at once.
  ///   - completed: Units done, in `0...total`.
  ///   - total: All units of the stage.
  ///   - detail: Appended, for instance the loss.
  ///   - now: Seconds on any steady clock.
  /// - Returns: What to print now, or nil.
  mutating func update(
    label: String, completed: Int, total: Int, detail: String, now: Double
  ) -> String? {
    var prefix = ""
    defer { lastCompleted = completed }
    if label != self.label || completed < lastCompleted || lastPrint == nil {
      prefix = end() ?? ""
      self.label = label
      labelStart = now
      completedAtStart = completed
    } else if let lastPrint, now - lastPrint < interval, completed < total || !isTerminal {
      return nil
    }
    lastPrint = now
    let line = describe(completed: completed, total: total, detail: detail, now: now)
    guard isTerminal else { return line + "\n" }
    isOpen = true
    return prefix + "\r\u{1B}[2K" + line
  }

  /// What to print before other text, or nil.
  mutating func end() -> String? {
    defer { isOpen = false }
    return isOpen ? "\n" : nil
  }

  private func describe(completed: Int, total: Int, detail: String, now: Double) -> String {
    var parts = [label]
    if isTerminal, total > 0 {
      let filled = min(20, completed * 20 / total)
      parts.append(
        "[" + String(repeating: "#", count: filled)
          + String(repeating: "·", count: 20 - filled) + "]")
    }
    parts.append("\(completed)/\(total)")
    let elapsed = now - labelStart
    let done = completed - completedAtStart
    if done > 0, elapsed > 0.05 {
      let rate = Double(done) / elapsed
      parts.append(String(format: rate < 10 ? "%.1f/s" : "%.0f/s", rate))
      if completed < total {
        parts.append(spokenDuration(Double(total - completed) / rate) + " left")
      }
    }
    if !detail.isEmpty { parts.append(detail) }
    return parts.joined(separator: "  ")
  }
}

/// `42 s`, `3 min 20 s` or `2 h 05 min`.
func spokenDuration(_ seconds: Double) -> String {
  guard seconds.isFinite, seconds < 1e7 else { return "a very long time" }
  let whole = Int(seconds.rounded())
  switch whole {
  case ..<90: return "\(whole) s"
  case ..<5400: return "\(whole / 60) min \(whole % 60) s"
  default: return "\(whole / 3600) h \(whole % 3600 / 60) min"
  }
}

/// `12.3 MB`, decimal units.
func spokenBytes(_ bytes: Int) -> String {
  let units = ["B", "kB", "MB", "GB", "TB"]
  var value = Double(bytes)
  var unit = 0
  while value >= 1000, unit + 1 < units.count {
    value /= 1000
    unit += 1
  }
  return unit == 0 ? "\(bytes) B" : String(format: "%.1f ", value) + units[unit]
}
