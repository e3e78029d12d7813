import BulwarkData
import BulwarkDefense
import BulwarkNN
import BulwarkStore
import BulwarkTraining
import Foundation
import Testing

@Suite("The example of Docs/Architecture.md")
struct LibraryExampleTests {
  /// What the page shows; `shorten` makes it as small as a test can be.
  private func example(
    _ path: String, _ architecture: Architecture, shorten: (inout DBDOptions) -> Void
  ) throws -> String {
    let folder = FileManager.default.temporaryDirectory.path + "/bulwark-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var options = DBDOptions()
    shorten(&options)
    // begin
    let bundle = try DataSource.load(path, options: DataOptions(limit: 200, testLimit: 100))
    let statistics = try bundle.train.channelStatistics()
    let normalize = Normalize(mean: statistics.mean, deviation: statistics.deviation)
    let crop = RandomResizedCrop(height: bundle.train.height, width: bundle.train.width)
    let trainer = try DBDTrainer(
      architecture,
      data: TrainingData(
        train: bundle.train,
        evaluator: Evaluator(test: bundle.test, triggered: nil, normalization: normalize)),
      options: options,
      views: DBDViews(
        contrastive: AugmentationPipeline([.randomResizedCrop(crop), .normalize(normalize)]),
        weak: AugmentationPipeline([.padCrop(PadCrop(padding: 1)), .normalize(normalize)])),
      session: TrainingSession(seed: 1))
    for value in try trainer.run() { print(value.definition.name, value.value) }
    print(trainer.suspectedClasses.map { bundle.train.classNames[$0] })
    try trainer.snapshot().write(to: folder + "/dbd.h5")
    // end
    return try Checkpoint(reading: folder + "/dbd.h5").progress.stage
  }

  @Test("It runs")
  func runs() throws {
    let architecture = Architecture(.smallCNN, width: 4, classes: 10, channels: 1)
    let stage = try example("digits", architecture) {
      $0.selfSupervision.epochs = 1
      $0.head.epochs = 1
      $0.semiSupervision.epochs = 1
      $0.semiSupervision.stepsPerEpoch = 2
    }
    #expect(stage == "done")
  }

  @Test("The page shows this very code")
  func isShown() throws {
    let own = try String(contentsOf: URL(filePath: #filePath), encoding: .utf8)
    let lines = own.split(separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(lines.firstIndex { $0.hasSuffix("    // begin") })
    let end = try #require(lines.firstIndex { $0.hasSuffix("    // end") })
    let code = lines[(start + 1)..<end].map { $0.dropFirst(4) }.joined(separator: "\n")
    let page = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Docs/Architecture.md")
    #expect(try String(contentsOf: page, encoding: .utf8).contains(code))
  }
}
