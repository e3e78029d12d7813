import BulwarkData
import Foundation
import Testing

@Suite("Signals before the first step")
struct LoadingSignalTests {
  let tool = Tool()

  /// A folder data set of 4,000 names of one large picture. One takes 13 ms to read, so all of them take 50 s or more.
  private func slowFolder(_ folder: TemporaryFolder) throws -> String {
    let side = 2048
    let pixels = (0..<side * side).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 11) }
    let picture = folder.file("picture.png")
    try ImageCodec.writePNG(
      RasterImage(width: side, height: side, channels: 1, pixels: pixels), to: picture)
    for name in ["cat", "dog"] {
      let inside = folder.url.appendingPathComponent("data/" + name)
      try FileManager.default.createDirectory(at: inside, withIntermediateDirectories: true)
      for index in 0..<2000 {
        try FileManager.default.linkItem(
          atPath: picture, toPath: inside.appendingPathComponent("\(index).png").path)
      }
    }
    return folder.file("data")
  }

  @Test("A signal while images are read ends the tool at once with 75; nothing is left behind")
  func whileLoading() async throws {
    let folder = try TemporaryFolder()
    let data = try slowFolder(folder)
    for (number, command) in [
      (SIGTERM, ["train", "--data", data, "--out", folder.file("run")]),
      (SIGINT, ["train", "--data", data, "--out", folder.file("run"), "--dry-run"]),
      (SIGTERM, ["data", "inspect", data]),
    ] {
      let size = command[0] == "train" ? ["--set", "data.image_size=32"] : ["--image-size", "32"]
      let running = try tool.start(command + size + ["--verbose"])
      try await running.wait(for: "reading \(data)")
      try await Task.sleep(for: .milliseconds(300))
      let sent = ContinuousClock.now
      running.send(number)
      let outcome = try await running.outcome()
      #expect(outcome.status == 75, "\(command): \(outcome.stderr)")
      #expect(outcome.stderr.contains("interrupted"))
      #expect(outcome.stdout.isEmpty)
      // Far less than reading on would take; on a machine busy with other tests five seconds have been too few.
      #expect(ContinuousClock.now - sent < .seconds(20))
      #expect(!FileManager.default.fileExists(atPath: folder.file("run")))
    }
  }
}
