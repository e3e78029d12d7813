import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkWatermark

@Suite("The network that is trained before a host")
struct CompanionTests {
  private func settings(_ name: String) -> (WatermarkScheme, WatermarkOptions) {
    var options = WatermarkOptions.small
    switch name {
    case "tilted": return (.tilted, options)
    case "as the host": options.ingrain.variant = .c
    case "clean statistics": options.ingrain.normalization = .clean
    default: break
    }
    return (.ingrain, options)
  }

  /// The ingrainer of carriers makes 40 steps at least and then looks whether it knows them.
  @Test(
    "Stopped while that network is trained, a run goes on there and ends with the same bytes",
    arguments: [
      ("carriers", 3), ("carriers", 40), ("as the host", 5), ("clean statistics", 7), ("tilted", 5),
    ])
  func resumes(_ name: String, _ stopAt: Int) throws {
    let task = try TinyTask.shared.get()
    let (scheme, options) = settings(name)
    let whole = try task.trainer(scheme, options, epochs: 1)
    _ = try whole.run()
    var asked = 0
    var saved: Checkpoint?
    let session = try TrainingSession(
      seed: 5, checkpointInterval: .infinity,
      stopRequested: {
        asked += 1
        return asked == stopAt
      }, save: { saved = $0 })
    let first = try task.trainer(scheme, options, epochs: 1, session: session)
    let stop = #expect(throws: TrainingInterrupted.self) { try first.run() }
    let stage = scheme == .tilted ? "reference" : "ingrainer"
    #expect(stop?.stage == stage && stop?.step == stopAt)
    // Through the file, as the tool does it.
    let folder = try TemporaryFolder()
    try #require(saved).write(to: folder.file("training.h5"))
    let log = EventLog()
    let resumed = try task.trainer(
      scheme, options, epochs: 1, session: TrainingSession(seed: 5, events: log))
    try resumed.restore(Checkpoint(reading: folder.file("training.h5")))
    _ = try resumed.run()
    let begun = try #require(log.stages.first)
    #expect(begun.name == stage && begun.step == stopAt)
    #expect(try bytes(resumed.model) == bytes(whole.model))
    #expect(resumed.history.series == whole.history.series)
    #expect(resumed.findings == whole.findings)
  }

  @Test(
    "Where it diverges, the run ends in its stage and not in the host's",
    arguments: [(WatermarkScheme.ingrain, "ingrainer"), (.tilted, "reference")])
  func diverges(_ scheme: WatermarkScheme, _ stage: String) throws {
    let task = try TinyTask.shared.get()
    var options = WatermarkOptions.small
    options.ingrain.ingrainerLearningRate = 1e30
    var training = task.training(epochs: 1)
    if scheme == .tilted { training.learningRate = 1e30 }
    let trainer = try HostTrainer(
      task.architecture, key: task.key(scheme, options), data: task.data, options: options,
      training: training, augmentation: task.augmentation, session: TrainingSession(seed: 5))
    let error = #expect(throws: TrainingError.self) { try trainer.run() }
    #expect(error?.summary.contains("in stage \(stage), ") == true, "\(error?.summary ?? "")")
  }
}
