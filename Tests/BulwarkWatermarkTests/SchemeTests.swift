import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkWatermark

@Suite("Watermark schemes")
struct SchemeTests {
  private func last(_ trainer: HostTrainer, _ definition: MetricDefinition) throws -> Double {
    try #require(trainer.history.last(definition, stage: HostTrainer.stage))
  }

  @Test(
    "A marked host answers its carriers as the key says and still knows its task",
    arguments: [
      WatermarkScheme.adi, .zhangContent, .zhangUnrelated, .zhangNoise, .ingrain, .ewe, .margin,
      .rehearsed, .tilted,
    ])
  func embeds(_ scheme: WatermarkScheme) throws {
    let task = try TinyTask.shared.get()
    let trainer = try task.trainer(scheme, .small, epochs: 16)
    _ = try trainer.run()
    #expect(try last(trainer, Metric.carrierAccuracy) >= 0.9)
    #expect(try last(trainer, Metric.cleanAccuracy) >= 0.7)
  }

  @Test("Uchida's bits are read without error from the host, and by chance from another model")
  func bits() throws {
    let task = try TinyTask.shared.get()
    let trainer = try task.trainer(.uchida, .small, epochs: 12)
    _ = try trainer.run()
    #expect(try last(trainer, Metric.bitAccuracy) == 1)
    #expect(try last(trainer, Metric.cleanAccuracy) >= 0.7)
    let session = try TrainingSession(seed: 0)
    let place = try #require(trainer.key.mark.bits)
    let shares = try (0..<20).map { index in
      try #require(
        try BitScore(place: place, secret: .published("reader", index)).score(
          trainer.model, session: session))
    }
    #expect(abs(shares.reduce(0, +) / 20 - 0.5) < 0.12)
    let other = try Architecture(.smallCNN, width: 4, classes: 10, channels: 1).build(
      key: RandomKey(seed: 0))
    let score = BitScore(place: place, secret: trainer.key.secret)
    #expect(try score.score(other, session: session) == nil)
  }

  @Test("A cosine in soft answers is found at its own frequency, class and projection")
  func signal() throws {
    let task = try TinyTask.shared.get()
    var options = WatermarkOptions.small
    options.coswm.amplitude = 0.2
    let trainer = try task.trainer(.coswm, options, epochs: 30)
    _ = try trainer.run()
    let session = try TrainingSession(seed: 0)
    func power(_ key: WatermarkKey, _ model: ImageClassifier) throws -> Double {
      try #require(
        try key.score(
          normalization: task.data.normalization, access: .logits,
          probe: CleanSample(of: task.data.train)
        ).score(model, session: session))
    }
    let own = try power(trainer.key, trainer.model)
    let others = try (1..<8).map { try power(task.key(.coswm, options, index: $0), trainer.model) }
    let unmarked = try power(trainer.key, task.unmarked(seed: 3))
    #expect(own > 2, "\(own)")
    #expect(others.allSatisfy { own > $0 }, "\(own), \(others)")
    #expect(own > unmarked + 0.5, "\(own), \(unmarked)")
  }

  @Test("Lomb and Scargle's power is large at the frequency of a cosine and small beside it")
  func periodogram() throws {
    let places = try RandomKey(seed: 2).uniform([400], from: -1, to: 1)
    let noise = try RandomKey(seed: 3).normal([400]) * 0.5
    let signal = CosineSignal(frequency: 30)
    let wave = try (places * 30.0 + 0.7).cos()
    #expect(try signal.powerRatio(wave + noise, places) > 8)
    #expect(try signal.powerRatio(noise, places) < 6)
    #expect(try signal.powerRatio((places * 44.0).cos() + noise, places) < 3)
  }

  @Test("The soft nearest-neighbor loss equals its double sum")
  func neighbors() throws {
    let features = try RandomKey(seed: 1).uniform([5, 4], from: 0, to: 1)
    let marked: [Float] = [1, 1, 0, 0, 1]
    let loss = try SoftNearestNeighbors.loss(
      features, Tensor(marked), temperature: Tensor([Float(150)])
    ).item()
    let x = try features.doubles()
    func unit(_ i: Int) -> [Double] {
      let row = Array(x[4 * i..<4 * i + 4])
      let norm = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return row.map { $0 / norm }
    }
    var sum = 0.0
    for i in 0..<5 {
      var same = 0.0
      var all = 0.0
      for j in 0..<5 where j != i {
        let cosine = zip(unit(i), unit(j)).reduce(0) { $0 + $1.0 * $1.1 }
        let weight = exp(-(1 - cosine) * 1.5)
        all += weight
        if marked[i] == marked[j] { same += weight }
      }
      sum += log(1e-5 + same / (1e-5 + all))
    }
    #expect(abs(loss + sum / 5) < 1e-5)
  }

  @Test(
    "A run stopped in the middle and resumed ends with the same bytes",
    arguments: WatermarkScheme.allCases)
  func resumes(_ scheme: WatermarkScheme) throws {
    let task = try TinyTask.shared.get()
    var options = WatermarkOptions.small
    options.ewe.share = 1
    options.rehearsed.restartEpochs = 1
    let whole = try task.trainer(scheme, options, epochs: 2)
    _ = try whole.run()
    var saved: Checkpoint?
    let stopAt = 5
    var stopped: HostTrainer?
    let session = try TrainingSession(
      seed: 5, checkpointInterval: .infinity, stopRequested: { stopped?.step == stopAt },
      save: { saved = $0 })
    let first = try task.trainer(scheme, options, epochs: 2, session: session)
    stopped = first
    #expect(throws: TrainingInterrupted.self) { try first.run() }
    // Through the file, as the tool does it.
    let folder = try TemporaryFolder()
    try #require(saved).write(to: folder.file("training.h5"))
    let resumed = try task.trainer(scheme, options, epochs: 2)
    try resumed.restore(Checkpoint(reading: folder.file("training.h5")))
    #expect(resumed.step == stopAt)
    _ = try resumed.run()
    #expect(try bytes(resumed.model) == bytes(whole.model))
    #expect(resumed.history.series == whole.history.series)
    let other = try task.trainer(scheme, options, epochs: 2, index: 1)
    #expect(throws: CheckpointUseError.self) { try other.restore(#require(saved)) }
  }

  @Test("A host whose last step left no numbers is no model, whatever its losses were")
  func lastStep() throws {
    let task = try TinyTask.shared.get()
    var host: HostTrainer?
    let session = try TrainingSession(
      seed: 5,
      stopRequested: {
        // After the last update no further loss would show it.
        if let host, host.step == host.steps {
          try? withoutGradients { try host.model.head.bias.fill(.nan) }
        }
        return false
      })
    let trainer = try task.trainer(.adi, .small, epochs: 1, session: session)
    host = trainer
    let error = #expect(throws: TrainingError.self) { try trainer.run() }
    #expect(error?.summary.contains("the weights became infinite") == true)
  }

  @Test(
    "Images that are carriers under a wrong label are not learned under the right one",
    arguments: [WatermarkScheme.margin, .adi, .ingrain])
  func heldBack(_ scheme: WatermarkScheme) throws {
    let task = try TinyTask.shared.get()
    var options = WatermarkOptions.small
    #expect(try task.trainer(.adi, options, epochs: 1).steps == 12)
    options.carriers.family = .relabeled
    options.ingrain.variant = .c
    let log = EventLog()
    let trainer = try task.trainer(
      scheme, options, epochs: 1, session: TrainingSession(seed: 5, events: log))
    // 300 images less 30 carriers, in batches of 25.
    #expect(trainer.steps == 11)
    guard scheme == .ingrain else { return }
    _ = try trainer.run()
    let ingrainer = try #require(log.stages.first)
    #expect(ingrainer.name == "ingrainer" && ingrainer.steps == 11)
  }

  @Test("EWE shows all carriers and images of the class in turn, whatever lies between its batches")
  func entangledTurns() throws {
    let task = try TinyTask.shared.get()
    var options = WatermarkOptions.small
    options.carriers.count = 40
    options.ewe.cleanBatches = 4
    let context = HostContext(
      model: try task.architecture.build(key: RandomKey(seed: 1)), data: task.data,
      key: try task.key(.ewe, options), training: task.training(),
      augmentation: task.augmentation, stepsPerEpoch: 12, session: try TrainingSession(seed: 5))
    let embedding = try EntangledEmbedding(context, options.ewe)
    // Half of a batch of 25: four times twelve carriers are more than forty.
    let shown = try [4, 9, 14, 19].map { try embedding.halves(step: $0) }
    let positions = shown.flatMap { $0.carriers.positions }
    #expect(positions.count == 48 && Set(positions).count == 40)
    #expect(Set(shown[0].targets.indices).isDisjoint(with: shown[1].targets.indices))
  }

  @Test("Wrong settings are refused with their key")
  func refused() throws {
    let changes: [(WatermarkScheme, (inout WatermarkOptions) -> Void, String)] = [
      (.adi, { $0.direct.carriersPerBatch = 0 }, "direct.carriers_per_batch"),
      (.ingrain, { $0.ingrain.temperature = 0 }, "ingrain.temperature"),
      (.uchida, { $0.uchida.bits = 0 }, "uchida.bits"),
      (.ewe, { $0.ewe.share = 0 }, "ewe.share"),
      (.ewe, { $0.carriers.family = .abstract }, "carriers.family"),
      (.margin, { $0.margin.weight = 0 }, "margin.weight"),
      (.coswm, { $0.coswm.amplitude = 0 }, "coswm.amplitude"),
      (.rehearsed, { $0.rehearsed.runnerUpMass = 0.5 }, "rehearsed.runner_up_mass"),
      (.rehearsed, { $0.carriers.family = .patch }, "carriers.family"),
      (.tilted, { $0.tilted.share = 0 }, "tilted.share"),
      (.tilted, { $0.tilted.start = 11 }, "tilted.start"),
      (.tilted, { $0.tilted.leaningLength = 0 }, "tilted.leaning_length"),
      (.tilted, { $0.carriers.family = .collage }, "carriers.family"),
    ]
    for (scheme, change, name) in changes {
      var options = WatermarkOptions()
      try options.validate(scheme)
      change(&options)
      let error = #expect(throws: RecipeError.self) { try options.validate(scheme) }
      #expect(error?.summary.contains(name) == true, "\(name)")
    }
    #expect(throws: RecipeError.self) {
      try UchidaOptions(bits: 64, layer: "conv9.weight").place(
        in: TinyTask.shared.get().architecture)
    }
  }
}
