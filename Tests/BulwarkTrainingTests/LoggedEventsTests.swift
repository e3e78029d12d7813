import BulwarkTensor
import Logging
import Synchronization
import Testing

@testable import BulwarkTraining

/// A destination that keeps what it is told.
private final class Record: Sendable {
  struct Line: Sendable {
    let level: Logger.Level
    let text: String
    let metadata: Logger.Metadata
  }
  let lines = Mutex<[Line]>([])
}

private struct RecordingHandler: LogHandler {
  let record: Record
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.trace

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(
    level: Logger.Level, message: Logger.Message, metadata: Logger.Metadata?, source: String,
    file: String, function: String, line: UInt
  ) {
    let entry = Record.Line(level: level, text: "\(message)", metadata: metadata ?? [:])
    record.lines.withLock { $0.append(entry) }
  }
}

@Suite("Events of a run in a logger of swift-log")
struct LoggedEventsTests {
  private func lines(_ level: Logger.Level) throws -> [Record.Line] {
    let record = Record()
    var logger = Logger(label: "test") { _ in RecordingHandler(record: record) }
    logger.logLevel = level
    let sink = LoggedEvents(logger)
    let session = try TrainingSession(seed: 1, events: sink)
    session.tell(.stage(name: "supervised", step: 0, steps: 2))
    session.tell(.step(stage: "supervised", step: 1, steps: 2, samples: 16))
    session.tell(
      .metric(MetricValue(Metric.trainLoss, 0.5, count: 16), stage: "supervised", step: 2))
    session.tell(.note("going on"))
    withExtendedLifetime(sink) {}
    return record.lines.withLock { $0 }
  }

  @Test("Every event becomes a line with its numbers in the metadata")
  func everyEvent() throws {
    let lines = try lines(.trace)
    #expect(lines.map(\.level) == [.info, .trace, .info, .notice])
    #expect(lines.map(\.text) == ["stage supervised", "step 1 of 2", "train_loss 0.5", "going on"])
    #expect(lines[0].metadata == ["stage": "supervised", "step": "0", "steps": "2"])
    #expect(
      lines[1].metadata == ["stage": "supervised", "step": "1", "steps": "2", "samples": "16"])
    #expect(
      lines[2].metadata == [
        "stage": "supervised", "step": "2", "metric": "train_loss", "value": "0.5",
        "unit": "nats", "count": "16",
      ])
    #expect(lines[3].metadata == [:])
  }

  @Test("The host program's level decides: single steps are left out of an ordinary log")
  func level() throws {
    #expect(try lines(.info).map(\.text) == ["stage supervised", "train_loss 0.5", "going on"])
    #expect(try lines(.notice).map(\.text) == ["going on"])
  }
}
