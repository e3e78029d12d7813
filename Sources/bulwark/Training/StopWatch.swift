import BulwarkTraining
import Foundation

/// Notes when the steps of one stage ended, to estimate what a whole run takes.
final class StopWatch: EventSink {
  /// Steps that are timed at most; the first one warms up.
  private static let mostSteps = 16
  /// Timing ends after this time, once a few steps are done.
  private static let enough = Duration.seconds(3)

  let stage: String
  private(set) var begin = ContinuousClock.now
  private(set) var ends: [ContinuousClock.Instant] = []
  /// Steps of the whole stage.
  private(set) var steps = 0

  init(_ stage: String) { self.stage = stage }

  var hasSeenEnough: Bool {
    guard let last = ends.last else { return false }
    if ends.count >= steps { return true }
    return ends.count >= 4 && (ends.count >= Self.mostSteps || last - begin >= Self.enough)
  }

  func receive(_ event: TrainingEvent) {
    switch event {
    case .stage(stage, _, let steps):
      begin = ContinuousClock.now
      self.steps = steps
    case .step(stage, _, _, _): ends.append(ContinuousClock.now)
    default: break
    }
  }

  /// Seconds of one step: the median does not mind the first steps, in which kernels are chosen.
  var stepSeconds: Double {
    guard let first = ends.first else { return 0 }
    let gaps = zip(ends.dropFirst(), ends).map { ($0 - $1).inSeconds }.sorted()
    return gaps.isEmpty ? (first - begin).inSeconds : gaps[gaps.count / 2]
  }

  /// Seconds from the stage's start to the end of its first step, less one step.
  var startSeconds: Double {
    guard let first = ends.first else { return 0 }
    return max(0, (first - begin).inSeconds - stepSeconds)
  }

  /// Seconds of the whole stage.
  var totalSeconds: Double { startSeconds + Double(steps) * stepSeconds }

  /// The largest resident size of this process so far, as the kernel counts it.
  static func peakBytes() -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    for line in status.split(separator: "\n") where line.hasPrefix("VmHWM:") {
      let kibibytes = line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }
      return (kibibytes ?? 0) * 1024
    }
    return 0
  }
}
