import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import BulwarkWatermark
import Testing

@testable import bulwark

@Suite("SalUn as a removal attack")
struct ClassUnlearningTests {
  private let data: TrainingData
  private let trained: Checkpoint

  init() throws {
    let bundle = try DataSource.load("digits", options: DataOptions(limit: 200, testLimit: 60))
    let statistics = try bundle.train.channelStatistics()
    let normalize = Normalize(mean: statistics.mean, deviation: statistics.deviation)
    data = TrainingData(
      train: bundle.train,
      evaluator: Evaluator(test: bundle.test, triggered: nil, normalization: normalize))
    var options = SupervisedOptions()
    (options.epochs, options.batchSize, options.learningRate) = (10, 25, 0.05)
    let trainer = try SupervisedTrainer(
      Architecture(.smallCNN, width: 6, classes: 10, channels: 1), data: data, options: options,
      augmentation: .plain(normalize: normalize), session: TrainingSession(seed: 1))
    _ = try trainer.run()
    trained = try trainer.snapshot()
  }

  private func attack(_ text: String) throws -> any ResumableRemovalAttack {
    try #require(
      try StressAttacks.registry(carrierClass: 3).attack(text) as? any ResumableRemovalAttack)
  }

  private func weights(_ model: ImageClassifier) throws -> [[UInt8]] {
    try model.state.snapshot().map { try $0.tensor.withUnsafeBytes { Array($0) } }
  }

  /// Share of the training images of a class that are answered rightly.
  private func accuracy(_ model: ImageClassifier, of label: Int) throws -> Double {
    let answers = try model.predictions(
      of: data.train, data.normalization, session: TrainingSession(seed: 0))
    let members = data.train.labels.indices.filter { data.train.labels[$0] == label }
    return Double(members.count { answers[$0] == label }) / Double(members.count)
  }

  @Test("It forgets the class that it is told, and keeps the others")
  func forgets() throws {
    let model = try ImageClassifier.restored(from: trained)
    let before = try weights(model)
    let surrogate = try attack("salun:share=1,epochs=12,batch_size=25,learning_rate=0.02")
      .surrogate(
        of: model, data: data, session: TrainingSession(seed: 2))
    #expect(try weights(model) == before)
    #expect(try accuracy(model, of: 3) > 0.9)
    #expect(try accuracy(surrogate, of: 3) < 0.4)
    #expect(try accuracy(surrogate, of: 5) > 0.7)
    let settings = try #require((try attack("salun") as? any DescribedRemovalAttack)?.settings)
    #expect(settings["salun"]?["label"] == 3)
  }

  @Test("Stopped and resumed, it ends with the same bytes; half of the class is kept by default")
  func resumes() throws {
    let salun = try attack("salun:epochs=2,batch_size=25")
    let model = try ImageClassifier.restored(from: trained)
    let whole = try weights(
      salun.surrogate(of: model, data: data, session: TrainingSession(seed: 2)))
    var saved: Checkpoint?
    var asked = 0
    #expect(throws: TrainingInterrupted.self) {
      try salun.surrogate(
        of: model, data: data,
        session: TrainingSession(
          seed: 2, checkpointInterval: .infinity,
          stopRequested: {
            asked += 1
            return asked == 5
          }, save: { saved = $0 }))
    }
    let checkpoint = try #require(saved)
    #expect(checkpoint.indexSets["forget"]?.count == 10)
    let resumed = try salun.surrogate(
      of: model, data: data, session: TrainingSession(seed: 2), resuming: checkpoint)
    #expect(try weights(resumed) == whole)
  }

  @Test("A class that is not there, and settings that make no sense, are refused")
  func errors() throws {
    for text in ["salun:share=0", "salun:ratio=2", "salun:label=-1", "salun:batch_size=0"] {
      #expect(throws: RecipeError.self) { try attack(text) }
    }
    let model = try ImageClassifier.restored(from: trained)
    #expect(throws: RecipeError.self) {
      try attack("salun:label=12").surrogate(
        of: model, data: data, session: TrainingSession(seed: 0))
    }
  }
}
