import BulwarkStore
import Foundation
import Testing

@Suite("kill -9 of a writer")
struct KillTests {
  let tool = Tool()

  /// A run that does little but write: steps of milliseconds, each followed by a checkpoint of 45 MB
  /// (weights and momenta of a ResNet-18 at width 45).
  private static let recipe = """
    threads: 1
    precision: fp32
    checkpoint_interval: 0
    methods: [standard]
    data: {limit: 20, test_limit: 10}
    model: {family: resnet18, width: 45}
    augmentation: {padding: 1, flip: false}
    standard: {epochs: 100000, batch_size: 2, learning_rate: 0.001}
    """
  private static let kills = 12

  /// Unfinished files of writers, dead or alive.
  private func unfinished(in folder: String) -> [String] {
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return entries.filter { $0.hasPrefix(".standard.h5.partial-") }
  }

  @Test("While it writes large checkpoints, again and again: the previous one is always loadable")
  func previousCheckpointSurvives() async throws {
    let recipe = try TinyRecipe(Self.recipe)
    let out = recipe.out("run")
    let path = out + "/standard.h5"
    var step = 0
    var size = 0
    var killedWhileWriting = 0
    for kill in 0..<Self.kills {
      let running = try tool.start(["run", recipe.path, "--out", out, "--resume"])
      let leftovers = Set(unfinished(in: out))
      // The first checkpoint has no previous one: it may finish.
      try await wait(for: running) {
        (kill > 0 || FileManager.default.fileExists(atPath: path))
          && !leftovers.isSuperset(of: unfinished(in: out))
      }
      try await Task.sleep(for: .microseconds(Int.random(in: 0..<150_000)))
      running.send(SIGKILL)
      _ = try await running.outcome()

      let left = unfinished(in: out)
      // Each writer removes what a dead one left before it starts.
      #expect(left.count <= 1)
      killedWhileWriting += left.count
      let checkpoint = try Checkpoint(reading: path)
      #expect(try Checkpoint.verify(path).isIntact)
      #expect(checkpoint.progress.step >= max(step, 1), "went back from step \(step)")
      step = checkpoint.progress.step
      size = try fileSize(path)
    }
    #expect(size > 40_000_000)
    // Otherwise this test would test nothing.
    #expect(killedWhileWriting >= Self.kills / 4, "only \(killedWhileWriting) hit a writer")
  }

  private func fileSize(_ path: String) throws -> Int {
    try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
  }

  private func wait(for running: Tool.Running, until condition: () -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(240)
    while !condition() {
      try #require(running.process.isRunning, "ended early: \(running.stderr)")
      try #require(ContinuousClock.now < deadline, "no checkpoint in four minutes")
      try await Task.sleep(for: .milliseconds(2))
    }
  }
}
