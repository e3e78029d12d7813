import BulwarkData
import BulwarkStore
import BulwarkTensor
import Foundation
import Testing

@Suite("bulwark flag without a checkpoint")
struct FlagPixelsTests {
  let tool = Tool()

  /// Four classes of 100 images of noise; a white corner on the first 30 of class "b".
  private func poisoned(in folder: TemporaryFolder) throws -> String {
    let noise = try RandomKey(seed: 4).uniform([400, 3, 8, 8], from: 0, to: 255)
    let corner = try Tensor.zeros([400, 3, 8, 8])
    try corner.narrow(0, start: 100, length: 30).narrow(2, start: 6, length: 2)
      .narrow(3, start: 6, length: 2).fill(255)
    let file = DatasetFile(
      images: try noise.maximum(corner).to(.uint8), labels: (0..<400).map { $0 / 100 },
      classNames: ["a", "b", "c", "d"],
      indexSets: ["train": Array(0..<400), "poisoned": Array(100..<130)])
    try file.write(to: folder.file("noise.h5"))
    return folder.file("noise.h5")
  }

  @Test("The pixels give away a corner, and the class that has it, without any model")
  func finds() async throws {
    let folder = try TemporaryFolder()
    let outcome = try await tool(
      "flag", "--data", poisoned(in: folder), "--out", folder.file("list"), "--threads", "1",
      "--json")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let result = try #require(outcome.json)
    let details = try #require(result["details"] as? [String: Any])
    #expect(details["suspected_classes"] as? [String] == ["b"])
    let metrics = try #require(result["metrics"] as? [String: [String: Any]])
    let recall = try #require(metrics["flagged_recall"]?["value"] as? Double)
    let precision = try #require(metrics["flagged_precision"]?["value"] as? Double)
    #expect(recall > 0.9 && precision > 0.85, "recall \(recall), precision \(precision)")
    let list = try SuspicionList(folder.file("list.json"))
    let scores = list.flaggedSamples.map(\.score)
    #expect(scores == scores.sorted(by: >) && scores.count == details["flagged"] as? Int)
    #expect(list.score == "pixel_log_odds")
    #expect(FileManager.default.fileExists(atPath: folder.file("list.h5")))
  }

  @Test("--count flags so many of the class that is given away, --all-classes of any")
  func count() async throws {
    let folder = try TemporaryFolder()
    let data = try poisoned(in: folder)
    func labels(_ name: String, _ more: String...) async throws -> [Int] {
      let outcome = try await tool.start(
        ["flag", "--data", data, "--out", folder.file(name), "--threads", "1", "--count", "200"]
          + more
      ).outcome()
      #expect(outcome.status == 0, "\(outcome.stderr)")
      return try SuspicionList(folder.file(name + ".json")).flaggedSamples.map(\.given_label)
    }
    // 100 of its class: all of them, and no other.
    #expect(try await labels("one") == Array(repeating: 1, count: 100))
    let any = try await labels("any", "--all-classes")
    #expect(any.count == 200 && Set(any).count > 2)
  }

  @Test("--all-classes, which changes nothing here without --count, is refused without it")
  func allClasses() async throws {
    let folder = try TemporaryFolder()
    let outcome = try await tool(
      "flag", "--data", "digits", "--out", folder.file("list"), "--all-classes")
    #expect(outcome.status == 64 && outcome.stderr.contains("--count"), "\(outcome.stderr)")
  }

  @Test("Clean digits: nothing is flagged, and a word says what that does not mean")
  func clean() async throws {
    let folder = try TemporaryFolder()
    let outcome = try await tool(
      "flag", "--data", "digits", "--out", folder.file("list"), "--threads", "1")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    #expect(outcome.stdout.contains("0 of 1437 samples flagged"))
    #expect(outcome.stderr.contains("clears no sample of triggers that bend images"))
    let counted = try await tool(
      "flag", "--data", "digits", "--out", folder.file("five"), "--threads", "1", "--count", "5")
    #expect(counted.stdout.contains("5 of 1437 samples flagged"))
    #expect(counted.stderr.contains("no more than what is easy"), "\(counted.stderr)")
  }

  @Test("Data with fewer than three classes of ten samples are refused, and why is said")
  func twoClasses() async throws {
    let folder = try TemporaryFolder()
    let file = DatasetFile(
      images: try Tensor.zeros([40, 1, 4, 4]).to(.uint8), labels: (0..<40).map { $0 / 20 },
      classNames: ["a", "b", "c"], indexSets: ["train": Array(0..<40)])
    try file.write(to: folder.file("two.h5"))
    let outcome = try await tool(
      "flag", "--data", folder.file("two.h5"), "--out", folder.file("list"), "--threads", "1")
    #expect(outcome.status == 65 && outcome.stderr.contains("it takes 3"), "\(outcome.stderr)")
    #expect(!FileManager.default.fileExists(atPath: folder.file("list.json")))
  }
}
