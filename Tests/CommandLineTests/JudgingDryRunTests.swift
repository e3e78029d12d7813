import Foundation
import Testing

@Suite("bulwark evaluate and flag --dry-run")
struct JudgingDryRunTests {
  private let tool = Tool()
  private let model = ExampleCheckpointTests.folder + "digits-smallcnn-undefended.h5"

  /// Expects an estimate, and nothing else, for so many images.
  ///
  /// - Returns: the estimated seconds.
  @discardableResult
  private func dry(_ arguments: [String], images: Int) async throws -> Double {
    let outcome = try await tool.start(
      arguments + ["--data", "digits", "--threads", "1", "--json", "--dry-run"]
    ).outcome()
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let result = try #require(outcome.json)
    let metrics = try #require(result["metrics"] as? [String: [String: Any]])
    let seconds = try expectEstimate(metrics)
    let details = try #require(result["details"] as? [String: Any])
    #expect(details["images"] as? Int == images && details["dry_run"] as? Bool == true)
    return seconds
  }

  @Test("evaluate counts the triggered images, too")
  func evaluate() async throws {
    let trigger = ExampleCheckpointTests.folder + "digits-badnets.json"
    try await dry(["evaluate", model], images: 360)
    try await dry(["evaluate", model, "--trigger", trigger], images: 360 + 323)
  }

  @Test("The estimate grows with the images, not with those that are timed")
  func grows() async throws {
    let folder = try TemporaryFolder()
    let flag = ["flag", model, "--out", folder.file("list")]
    // The shortest of three: other programs on the machine only add time.
    var (timed, all) = (Double.infinity, Double.infinity)
    for _ in 0..<3 {
      timed = min(timed, try await dry(flag + ["--limit", "512"], images: 512))
      all = min(all, try await dry(flag, images: 1437))
    }
    // 512 images are timed in both: 2.8 times as many take that much longer, not as long.
    #expect(all > 1.7 * timed, "\(timed) s for 512, \(all) s for 1,437")
  }

  @Test("flag estimates both judgements, writes nothing, and sees an existing list")
  func flag() async throws {
    let folder = try TemporaryFolder()
    let list = folder.file("lists/list")
    try await dry(["flag", "--out", list], images: 1437)
    try await dry(["flag", model, "--out", list], images: 1437)
    #expect(!FileManager.default.fileExists(atPath: folder.file("lists")))
    let taken = folder.file("taken")
    try Data().write(to: URL(fileURLWithPath: taken + ".h5"))
    let outcome = try await tool("flag", "--data", "digits", "--out", taken, "--dry-run")
    #expect(outcome.status == 73, "\(outcome.stderr)")
  }
}

/// The metrics of a dry run are its estimates, and both are of a sane size.
///
/// - Returns: the seconds.
func expectEstimate(_ metrics: [String: [String: Any]]) throws -> Double {
  #expect(Set(metrics.keys) == ["estimated_seconds", "estimated_peak_memory"])
  let seconds = try #require(metrics["estimated_seconds"]?["value"] as? Double)
  #expect(seconds > 0 && seconds < 600)
  #expect(try #require(metrics["estimated_peak_memory"]?["value"] as? Double) > 10_000_000)
  return seconds
}
