import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkWatermark

@Suite("Removal attacks can be interrupted")
struct RemovalResumeTests {
  static let attacks = [
    "distillation-half:epochs=2,batch_size=60", "distillation:epochs=2,batch_size=60,ask=live",
    "rtal:epochs=2,batch_size=60,learning_rate=0.01",
    "rtll:epochs=2,batch_size=60", "fine_pruning:epochs=2,batch_size=60,share=0.5",
    "adversarial:epochs=1,batch_size=60,iterations=2",
    "rtal:epochs=1,batch_size=60+ftal:epochs=1,batch_size=60,learning_rate=0.01",
  ]

  @Test("stopped at any step and resumed, they end with the same bytes", arguments: attacks)
  func resumes(text: String) throws {
    let stolen = try StolenModel.shared.get()
    let folder = try ScratchFolder()
    let attack = try #require(try stolen.attack(text) as? any ResumableRemovalAttack)
    let expected = try weightBytes(stolen.surrogate(text))
    var interrupted = 0
    for stopAt in [1, 3, 7] {
      var asked = 0
      let file = folder.file("part-\(stopAt).h5")
      let stopped = try TrainingSession(
        seed: 3, checkpointInterval: .infinity,
        stopRequested: {
          asked += 1
          return asked == stopAt
        }, save: { try $0.write(to: file) })
      do {
        _ = try attack.surrogate(of: stolen.model(), data: stolen.data, session: stopped)
        #expect(asked < stopAt)
        continue
      } catch is TrainingInterrupted { interrupted += 1 }
      let resumed = try attack.surrogate(
        of: stolen.model(), data: stolen.data, session: TrainingSession(seed: 3),
        resuming: Checkpoint(reading: file))
      #expect(try weightBytes(resumed) == expected, "stopped at \(stopAt)")
    }
    #expect(interrupted >= 2)
  }

  @Test("and refuse a checkpoint of another run", arguments: [attacks[0], attacks[6]])
  func refuses(text: String) throws {
    let stolen = try StolenModel.shared.get()
    let attack = try #require(try stolen.attack(text) as? any ResumableRemovalAttack)
    var saved: Checkpoint?
    _ = try? attack.surrogate(
      of: stolen.model(), data: stolen.data,
      session: TrainingSession(seed: 3, stopRequested: { true }, save: { saved = $0 }))
    let checkpoint = try #require(saved)
    func resume(_ attack: any ResumableRemovalAttack, seed: UInt64) throws {
      _ = try attack.surrogate(
        of: stolen.model(), data: stolen.data, session: TrainingSession(seed: seed),
        resuming: checkpoint)
    }
    #expect(throws: CheckpointUseError.self) { try resume(attack, seed: 4) }
    let other = try #require(
      try stolen.attack(text.replacing("batch_size=60", with: "batch_size=50"))
        as? any ResumableRemovalAttack)
    #expect(throws: CheckpointUseError.self) { try resume(other, seed: 3) }
  }

  @Test("and leave the stolen model as it was", arguments: attacks + ["prune-0.5", "shift"])
  func leavesTheModel(text: String) throws {
    let stolen = try StolenModel.shared.get()
    let model = try stolen.model()
    let before = try weightBytes(model)
    let surrogate = try stolen.attack(text).surrogate(
      of: model, data: stolen.data, session: TrainingSession(seed: 3))
    #expect(try weightBytes(model) == before)
    #expect(model.state.parameters.allSatisfy { $0.tensor.requiresGradient })
    #expect(surrogate.state.parameters.allSatisfy { $0.tensor.requiresGradient })
  }
}
