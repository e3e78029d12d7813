import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import Testing

@testable import BulwarkTraining

/// Two classes that differ in brightness: a data set that a small network learns in seconds.
func brightnessData(count: Int = 64, seed: UInt64 = 1) throws -> TrainingData {
  let labels = (0..<count).map { $0 % 2 }
  let noise = try RandomKey(seed: seed).uniform([count, 1, 8, 8], from: 0, to: 80)
  let base = try Tensor(labels.map { Float($0) * 120 }, shape: [count, 1, 1, 1])
  let set = try ImageDataset(
    images: (noise + base).to(.uint8), labels: labels, classNames: ["dark", "bright"])
  let normalization = Normalize(mean: [0.4], deviation: [0.25])
  return TrainingData(
    train: set, evaluator: Evaluator(test: set, triggered: nil, normalization: normalization))
}

@Suite("Supervised training")
struct SupervisedTrainerTests {
  private func options() -> SupervisedOptions {
    var options = SupervisedOptions()
    options.epochs = 3
    options.batchSize = 16
    options.learningRate = 0.05
    return options
  }

  private func trainer(_ session: TrainingSession) throws -> SupervisedTrainer {
    let data = try brightnessData()
    return try SupervisedTrainer(
      Architecture(.smallCNN, width: 4, classes: 2, channels: 1), data: data, options: options(),
      augmentation: AugmentationPipeline([
        .padCrop(PadCrop(padding: 1)), .normalize(data.normalization),
      ]), session: session)
  }

  private func bytes(_ model: ImageClassifier) throws -> [[UInt8]] {
    try model.state.snapshot().map { try $0.tensor.withUnsafeBytes { Array($0) } }
  }

  @Test("A learnable task is learned, and the same seed gives the same bytes")
  func learns() throws {
    let first = try trainer(TrainingSession(seed: 7))
    let measured = try first.run()
    #expect(try #require(measured.first).definition == Metric.cleanAccuracy)
    #expect(try #require(measured.first).value > 0.9)
    let second = try trainer(TrainingSession(seed: 7))
    _ = try second.run()
    #expect(try bytes(first.model) == bytes(second.model))
    let other = try trainer(TrainingSession(seed: 8))
    _ = try other.run()
    #expect(try bytes(first.model) != bytes(other.model))
  }

  @Test("A run stopped at any step and resumed ends with the same bytes", arguments: [1, 4, 7, 11])
  func resumes(stopAt: Int) throws {
    let whole = try trainer(TrainingSession(seed: 3))
    _ = try whole.run()
    var saved: Checkpoint?
    var asked = 0
    let stopped = try trainer(
      TrainingSession(
        seed: 3, checkpointInterval: .infinity,
        stopRequested: {
          asked += 1
          return asked >= stopAt
        }, save: { saved = $0 }))
    #expect(throws: TrainingInterrupted(stage: "supervised", step: stopAt)) { try stopped.run() }
    let resumed = try trainer(TrainingSession(seed: 3))
    try resumed.restore(#require(saved))
    #expect(resumed.step == stopAt)
    _ = try resumed.run()
    #expect(try bytes(resumed.model) == bytes(whole.model))
    #expect(resumed.history.series == whole.history.series)
  }

  @Test("A run whose loss or weights stop being numbers fails and says in which step")
  func diverges() throws {
    var options = options()
    options.learningRate = 1e30
    let data = try brightnessData()
    let trainer = try SupervisedTrainer(
      Architecture(.smallCNN, width: 4, classes: 2, channels: 1), data: data, options: options,
      augmentation: AugmentationPipeline([.normalize(data.normalization)]),
      session: TrainingSession(seed: 1))
    let error = #expect(throws: TrainingError.self) { try trainer.run() }
    #expect(error?.summary.contains("supervised, step") == true)
    #expect(try !trainer.model.hasFiniteState())
  }

  @Test("A run goes on only with its own seed, settings and data")
  func refusesOtherRuns() throws {
    let checkpoint = try trainer(TrainingSession(seed: 3)).snapshot()
    #expect(throws: CheckpointUseError.otherRun("its seed is 3")) {
      try trainer(TrainingSession(seed: 4)).restore(checkpoint)
    }
    for (data, epochs) in [(try brightnessData(), 2), (try brightnessData(seed: 2), 3)] {
      var options = options()
      options.epochs = epochs
      let other = try SupervisedTrainer(
        Architecture(.smallCNN, width: 4, classes: 2, channels: 1), data: data, options: options,
        augmentation: AugmentationPipeline([.normalize(data.normalization)]),
        session: TrainingSession(seed: 3))
      #expect(throws: CheckpointUseError.self) { try other.restore(checkpoint) }
    }
  }

  @Test("A checkpoint of another architecture is refused with a list of differences")
  func otherArchitecture() throws {
    let source = try Architecture(.smallCNN, width: 4, classes: 2, channels: 1)
      .build(key: RandomKey(seed: 0))
    let checkpoint = try source.checkpoint(data: brightnessData())
    let wider = try Architecture(.smallCNN, width: 8, classes: 2, channels: 1)
      .build(key: RandomKey(seed: 0))
    let error = #expect(throws: StateMismatch.self) { try wider.load(checkpoint) }
    #expect(error?.shapes.isEmpty == false)
    #expect(throws: Never.self) { try ImageClassifier.restored(from: checkpoint) }
  }
}
