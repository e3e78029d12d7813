import Foundation
import Testing

@Suite("bulwark run and unlearn --dry-run")
struct DryRunTests {
  /// Both methods with every stage on all digits, at a size for seconds.
  private static let recipe = """
    threads: 1
    precision: fp32
    methods: [standard, dbd]
    poison: {attack: badnets, rate: 0.05, target: 3}
    model: {family: small_cnn, width: 16}
    augmentation: {padding: 1, flip: false}
    standard: {epochs: 6, batch_size: 64}
    dbd:
      self_supervision: {epochs: 4, batch_size: 128, cosine_epochs: 4}
      head: {epochs: 6, batch_size: 64}
      semi_supervision: {epochs: 4, steps_per_epoch: 20, batch_size: 32, ramp_epochs: 10}
    """

  /// What bash's `time` says of a run of the tool, in seconds.
  private struct Timing {
    var wall: Double
    var processor: Double
    var outcome: Tool.Outcome
  }

  private func timed(_ arguments: [String]) async throws -> Timing {
    let outcome = try await Tool().start(
      ["-c", #"TIMEFORMAT="%R %U %S"; time "$0" "$@""#, Tool.path] + arguments, with: "/bin/bash"
    ).outcome()
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let numbers = try #require(outcome.stderr.split(separator: "\n").last).split(separator: " ")
      .compactMap { Double($0) }
    try #require(numbers.count == 3)
    return Timing(wall: numbers[0], processor: numbers[1] + numbers[2], outcome: outcome)
  }

  /// Other programs on the machine slow the estimate and the run by different factors. So both are
  /// taken in seconds of the processor: with one thread that is what a free machine's clock shows.
  @Test("The estimated time is within a factor of two of the time that the run takes")
  func withinAFactorOfTwo() async throws {
    let recipe = try TinyRecipe(Self.recipe)
    let arguments = ["run", recipe.path, "--out", recipe.out("run"), "--quiet", "--json"]
    let dry = try await timed(arguments + ["--dry-run"])
    let metrics = try #require(dry.outcome.json?["metrics"] as? [String: [String: Any]])
    let wall = try #require(metrics["estimated_seconds"]?["value"] as? Double)
    let estimate = wall * dry.processor / dry.wall
    let real = try await timed(arguments)
    let ratio = estimate / real.processor
    #expect(
      ratio > 0.5 && ratio < 2,
      "estimated \(estimate) s, took \(real.processor) s of the processor")
  }

  @Test("A method that diverges in its first steps gets a remark, and the others their estimates")
  func diverging() async throws {
    let fixture = try await UnlearnFixture()
    let arguments = [
      "unlearn", "--recipe", fixture.recipe, "--method", "ga", "--method", "ft", "--set",
      "settings.ga.training.learning_rate=1e17", "--set", "settings.ga.training.batch_size=10",
      "--dry-run", "--out", fixture.out("never"),
    ]
    let outcome = try await fixture.tool.start(arguments + ["--json"]).outcome()
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let details = try #require(outcome.json?["details"] as? [String: Any])
    let estimates = try #require(details["estimates"] as? [[String: Any]])
    #expect(estimates.map { $0["name"] as? String } == ["ga", "ft"])
    let remark = try #require(estimates[0]["remark"] as? String)
    #expect(remark.contains("infinite or not a number") && remark.contains("learning rate"))
    #expect(estimates[1]["remark"] == nil)
    let text = try await fixture.tool.start(arguments).outcome()
    #expect(text.stdout.contains("ga diverges: "), "\(text.stdout)")
  }
}
