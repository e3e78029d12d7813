import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkWatermark

@Suite("Marking a model that is trained already")
struct StartingModelTests {
  private func weights(_ model: ImageClassifier) throws -> [Float] {
    try model.state.entries.flatMap { try $0.tensor.to(.float32).floats() }
  }

  /// The largest difference of two models' weights.
  private func distance(_ a: ImageClassifier, _ b: ImageClassifier) throws -> Double {
    try zip(a.state.parameters, b.state.parameters).map {
      try ($0.tensor - $1.tensor).abs().max().item()
    }.max() ?? 0
  }

  @Test("A host starts with the weights of the model that it is given, which stays as it was")
  func starts() throws {
    let task = try TinyTask.shared.get()
    let start = try task.unmarked(seed: 31, epochs: 2)
    let before = try weights(start)
    let trainer = try task.trainer(.adi, .small, epochs: 1, start: start)
    #expect(try weights(trainer.model) == before)
    _ = try trainer.run()
    #expect(try weights(trainer.model) != before && weights(start) == before)
  }

  @Test("It is tilted's reference: none is trained, and the answers that lean are its own")
  func reference() throws {
    let task = try TinyTask.shared.get()
    let start = try task.unmarked(seed: 31)
    var options = WatermarkOptions.small
    options.tilted.leaningRate = 1e-9
    let log = EventLog()
    let trainer = try task.trainer(
      .tilted, options, epochs: 2, session: TrainingSession(seed: 5, events: log), start: start)
    _ = try trainer.run()
    #expect(log.stages.map(\.name) == [HostTrainer.stage])
    #expect(try distance(trainer.model, start) < 1e-6)
    let accuracy = try task.data.evaluator.measure(start, session: TrainingSession(seed: 0)).first {
      $0.definition == Metric.cleanAccuracy
    }
    #expect(try trainer.findings["reference_accuracy"] == .double(#require(accuracy).value))
    #expect(trainer.key.choosesDirections)
  }

  @Test("Stopped and resumed it ends with the same weights; from another model it does not go on")
  func resumes() throws {
    let task = try TinyTask.shared.get()
    let (start, other) = (
      try task.unmarked(seed: 31, epochs: 1), try task.unmarked(seed: 32, epochs: 1)
    )
    let whole = try task.trainer(.tilted, .small, epochs: 2, start: start)
    _ = try whole.run()
    var saved: Checkpoint?
    var stopped: HostTrainer?
    let session = try TrainingSession(
      seed: 5, checkpointInterval: .infinity, stopRequested: { stopped?.step == 5 },
      save: { saved = $0 })
    let first = try task.trainer(.tilted, .small, epochs: 2, session: session, start: start)
    stopped = first
    #expect(throws: TrainingInterrupted.self) { try first.run() }
    let checkpoint = try #require(saved)
    let resumed = try task.trainer(.tilted, .small, epochs: 2, start: start)
    try resumed.restore(checkpoint)
    _ = try resumed.run()
    #expect(try weights(resumed.model) == weights(whole.model))
    for wrong in [other, nil] {
      let trainer = try task.trainer(.tilted, .small, epochs: 2, start: wrong)
      let error = #expect(throws: CheckpointUseError.self) { try trainer.restore(checkpoint) }
      #expect(error?.summary.contains("starting model differs") == true)
    }
  }

  @Test("A model of another network is refused")
  func otherNetwork() throws {
    let task = try TinyTask.shared.get()
    var wide = task.architecture
    wide.width += 1
    let start = try wide.build(key: RandomKey(seed: 1))
    #expect(throws: StateMismatch.self) { try task.trainer(.adi, .small, start: start) }
  }
}
