import BulwarkNN
import BulwarkStore
import BulwarkTraining
import Testing

@testable import BulwarkDefense

/// The bytes of every tensor of a model, by name.
func bytes(_ model: ImageClassifier) throws -> [String: [UInt8]] {
  Dictionary(
    uniqueKeysWithValues: try model.state.snapshot().map { name, tensor in
      (name, try tensor.withUnsafeBytes { Array($0) })
    })
}

/// Runs to the end, and again with a stop at the `stopAt`-th step and a resumption; both must end alike.
func expectSameEnd(
  seed: UInt64, stopAt: Int, _ trainer: (TrainingSession) throws -> DBDTrainer
) throws {
  let whole = try trainer(TrainingSession(seed: seed))
  _ = try whole.run()
  var saved: Checkpoint?
  var asked = 0
  let stopped = try trainer(
    TrainingSession(
      seed: seed, checkpointInterval: .infinity,
      stopRequested: {
        asked += 1
        return asked == stopAt
      }, save: { saved = $0 }))
  #expect(throws: TrainingInterrupted.self) { try stopped.run() }
  let resumed = try trainer(TrainingSession(seed: seed))
  try resumed.restore(#require(saved))
  _ = try resumed.run()
  #expect(try bytes(resumed.model) == bytes(whole.model))
  #expect(resumed.history.series == whole.history.series)
  #expect(resumed.split == whole.split)
  #expect(resumed.quarantine == whole.quarantine)
}
