import Foundation
import Testing

@testable import bulwark

@Suite("bulwark watermark, answers that a server changes")
struct WatermarkServedTests {
  @Test("embed states the server in the key, and stress has it asked by the thief who distills")
  func stress() async throws {
    let fixture = try WatermarkFixture()
    func embed(_ name: String, _ more: [String]) async throws -> String {
      let run = fixture.out(name)
      let embedded = try await fixture.tool.start(
        [
          "watermark", "embed", "--recipe", fixture.recipe, "--scheme", "coswm", "--epochs", "1",
          "--out", run,
        ] + more
      ).outcome()
      #expect(embedded.status == 0, "\(embedded.stderr)")
      #expect(embedded.stderr.contains("carries no mark") == more.isEmpty)
      return run
    }
    let served = try await embed("served", [])
    let plain = try await embed("plain", ["--set", "watermark.coswm.served=false"])
    let key = String(decoding: try fixture.bytes(served + "/key.json"), as: UTF8.self)
    #expect(key.contains("\"served\""))

    for (run, isTold) in [(served, true), (plain, false)] {
      let verified = try await fixture.tool.start(
        fixture.verify(key: run + "/key.json", suspect: run + "/model.h5", ["--out", run + "/v"])
      ).outcome()
      #expect(verified.status == 2, "\(verified.stderr)")
      #expect(verified.stdout.contains("only what learned from the server's answers") == isTold)
    }

    func stressed(_ key: String, _ name: String) async throws -> Tool.Outcome {
      let outcome = try await fixture.tool(
        "watermark", "stress", "--checkpoint", served + "/model.h5", "--key", key + "/key.json",
        "--attack", "distillation:epochs=1", "--limit", "200", "--set", "data.test_limit=60",
        "--threads", "1", "--precision", "fp32", "--out", fixture.out(name), "--json")
      #expect(outcome.status == 0 || outcome.status == 2, "\(outcome.stderr)")
      return outcome
    }
    func report(_ name: String) throws -> String {
      String(decoding: try fixture.bytes(fixture.out(name) + "/stress.json"), as: UTF8.self)
    }
    let asked = try await stressed(served, "asked")
    #expect(asked.stderr.contains("a server changes this owner's answers"))
    #expect(try report("asked").contains("its answers changed by the owner's server"))
    #expect(try report("asked").contains("the model behind its owner's server"))
    let direct = try await stressed(plain, "direct")
    #expect(!direct.stderr.contains("server"))
    #expect(try !report("direct").contains("owner's server"))
  }
}
