import BulwarkData
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkWatermark

@Suite("Ordinary images that are asked about")
struct SampleTests {
  /// The digits of the tiny task, `copies` times, class after class, as image folders are stored.
  private func sorted(_ set: ImageDataset, copies: Int) throws -> ImageDataset {
    let order = set.labels.indices.sorted { (set.labels[$0], $0) < (set.labels[$1], $1) }
      .flatMap { Array(repeating: $0, count: copies) }
    return try set.subset(order)
  }

  @Test("A signal is looked for in every class, also where images are stored class by class")
  func signal() throws {
    let task = try TinyTask.shared.get()
    let probe = try sorted(task.data.train, copies: 4)
    #expect(Set(probe.labels.prefix(1000)).count < 10)
    let score = try #require(
      task.key(.coswm, .small).score(
        normalization: task.data.normalization, access: .logits,
        probe: task.key(.coswm, .small).sample(of: probe)) as? SignalScore)
    #expect(score.probe.images.count == 1000)
    #expect(score.probe.images.countsPerClass.allSatisfy { (90...110).contains($0) })
  }

  @Test("An ingrainer is asked about every class, also where images are stored class by class")
  func ingrainer() throws {
    let task = try TinyTask.shared.get()
    let clean = try sorted(task.data.train, copies: 1)
    let key = try task.key(.ingrain, .small)
    let feed = try CarrierFeed(
      #require(try key.carriers()), task.data.normalization, key: RandomKey(seed: 1), device: .cpu)
    let report = try IngrainerReport(
      task.unmarked(seed: 3), feed, clean: clean, task.data.normalization, steps: 1, limit: 100,
      session: TrainingSession(seed: 0))
    #expect(report.images == 100)
    // Ten images of each class, most of which the model knows; the first hundred are of three or four.
    #expect(report.classShares.allSatisfy { (0.02...0.2).contains($0) }, "\(report.classShares)")
  }
}
