import BulwarkStore
import Testing

@Suite("Models whose training was stopped half way")
struct UnfinishedModelTests {
  @Test(
    "Whoever measures, lists by, unlearns or marks one is told; a finished one passes in silence"
  )
  func told() async throws {
    let folder = try TemporaryFolder()
    let finished = ExampleCheckpointTests.folder + "digits-smallcnn-undefended.h5"
    var checkpoint = try Checkpoint(reading: finished)
    #expect(!checkpoint.progress.isUnfinished)
    checkpoint.progress = Checkpoint.Progress(stage: "supervised", step: 120)
    let stopped = folder.file("stopped.h5")
    try checkpoint.write(to: stopped)
    let data = ["--data", "digits", "--limit", "200"]
    for (path, isTold) in [(stopped, true), (finished, false)] {
      let commands = [
        ["evaluate", path] + data,
        ["flag", path, "--out", folder.file("flags-\(isTold)")] + data,
        [
          "unlearn", "--checkpoint", path, "--forget", "indices:1,2,3", "--dry-run",
          "--accept-different-data",
        ] + data,
        [
          "watermark", "embed", "--checkpoint", path, "--scheme", "adi", "--owner", "Ada",
          "--dry-run",
        ] + data,
      ]
      for command in commands {
        let outcome = try await Tool().start(command + ["--threads", "1"]).outcome()
        #expect(outcome.status == 0, "\(command[0]): \(outcome.stderr)")
        #expect(
          outcome.stderr.contains("is not finished: stage supervised, step 120") == isTold,
          "\(command[0]): \(outcome.stderr)")
      }
    }
  }
}
