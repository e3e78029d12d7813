import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import bulwark

@Suite("bulwark watermark queries")
struct WatermarkQueriesTests {
  @Test("A served suspect is asked by its query set, and its answers are verified: 0, 2 and errors")
  func served() async throws {
    let fixture = try WatermarkFixture()
    let run = fixture.out("run")
    let embedded = try await fixture.tool(
      "watermark", "embed", "--recipe", fixture.recipe, "--out", run, "--json", "--quiet")
    #expect(embedded.status == 0, "\(embedded.stderr)")
    let details = try #require(embedded.json?["details"] as? [String: Any])
    let commitment = try #require(details["commitment"] as? String)
    let key = run + "/key.json"
    let task = ["--key", key, "--limit", "200", "--set", "data.test_limit=60", "--threads", "1"]
    let numbers = ["--suspect-keys", "99"]

    let queries = fixture.out("queries")
    let asked = try await fixture.tool.start(
      ["watermark", "queries", "--out", queries, "--png", "--json", "--quiet"] + task + numbers
    ).outcome()
    #expect(asked.status == 0, "\(asked.stderr)")
    // How many there are is no metric of the dictionary.
    #expect(asked.json?["metrics"] == nil)
    // The owner's carriers are in there.
    let mode = try FileManager.default.attributesOfItem(atPath: queries)[.posixPermissions]
    #expect(mode as? Int == 0o700)
    let images = try DataSource.load(queries + "/queries.h5").train
    let pictures = try FileManager.default.contentsOfDirectory(atPath: queries + "/images")
    #expect(pictures.count == images.count)
    let facts = try #require(asked.json?["details"] as? [String: Any])
    #expect(facts["queries"] as? Int == images.count)
    #expect(
      try ImageCodec.decode(path: queries + "/images/000003.png") == images.raster(3))
    let again = try await fixture.tool.start(
      ["watermark", "queries", "--out", queries] + task + numbers
    ).outcome()
    #expect(again.status == 73, "\(again.stderr)")

    // The interface: it answers probabilities, or labels alone.
    func answers(_ path: String, labels: Bool) throws -> String {
      let loaded = try LoadedModel(path, device: .cpu)
      let logits = try loaded.model.logits(
        of: images, loaded.normalization, session: TrainingSession(seed: 0))
      let text: String
      if labels {
        text =
          "label\n" + (try logits.argmax(1).integers().map(String.init)).joined(separator: "\n")
      } else {
        let values = try logits.softmax(1).floats()
        let rows = stride(from: 0, to: values.count, by: 10).map { start in
          values[start..<start + 10].map { "\($0)" }.joined(separator: ",")
        }
        text =
          ((0..<10).map { "p\($0)" }.joined(separator: ",") + "\n") + rows.joined(separator: "\n")
      }
      let file = fixture.out("answers-\(labels).csv")
      try text.write(toFile: file, atomically: true, encoding: .utf8)
      return file
    }
    func verify(_ answers: String, _ more: [String]) async throws -> Tool.Outcome {
      try await fixture.tool.start(
        [
          "watermark", "verify", "--queries", queries + "/queries.h5", "--answers", answers,
          "--commitment", commitment, "--nulls", "3", "--level", "0.05", "--cache",
          fixture.out("cache"), "--precision", "fp32", "--set",
          "nulls.training={epochs: 6, batch_size: 25, learning_rate: 0.05}", "--set",
          "augmentation={padding: 1, flip: false}", "--json", "--quiet",
        ] + task + more
      ).outcome()
    }
    let network = ["--set", "nulls.family=small_cnn", "--set", "nulls.width=6"]
    let model = run + "/model.h5"
    for labels in [false, true] {
      let access = labels ? "labels" : "logits"
      let outcome = try await verify(answers(model, labels: labels), numbers + network)
      let atHand = try await fixture.tool.start(
        fixture.verify(
          key: key, suspect: model,
          ["--commitment", commitment, "--access", access, "--json", "--quiet"] + numbers)
      ).outcome()
      // Labels tie with keys of the same pair of classes, whoever answers.
      #expect(labels || outcome.status == 0, "\(outcome.stderr)")
      #expect(outcome.status == atHand.status, "\(outcome.stderr)")
      let evidence = try #require(outcome.json?["details"] as? [String: Any])
      let expected = try #require(atHand.json?["details"] as? [String: Any])
      #expect(evidence["access"] as? String == access)
      #expect(evidence["sentence"] as? String == expected["sentence"] as? String)
    }
    let cached = try FileManager.default.contentsOfDirectory(atPath: fixture.out("cache"))
    let innocent = try await verify(
      answers(fixture.out("cache") + "/" + cached[0], labels: true), numbers + network)
    #expect(innocent.status == 2, "\(innocent.stderr)")

    let file = try answers(model, labels: true)
    let wrong: [([String], Int32, String)] = [
      (numbers, 64, "nulls.family"), (network, 65, "not among the queries"),
      (numbers + network + ["--suspect", model], 64, "--queries and --answers"),
    ]
    for (more, status, words) in wrong {
      let outcome = try await verify(file, more)
      #expect(outcome.status == status, "\(more): \(outcome.stderr)")
      #expect(outcome.stderr.contains(words), "\(more): \(outcome.stderr)")
    }
  }

  /// A fixture with a key in the folder `run`.
  private func embedded() async throws -> WatermarkFixture {
    let fixture = try WatermarkFixture()
    let outcome = try await fixture.tool(
      "watermark", "embed", "--recipe", fixture.recipe, "--epochs", "1", "--out",
      fixture.out("run"), "--quiet")
    try #require(outcome.status == 0, "\(outcome.stderr)")
    return fixture
  }

  /// Starts to write the queries of that key and of so many foreign ones to the folder `queries`.
  private func ask(_ fixture: WatermarkFixture, keys: Int, _ more: String...) throws -> Tool.Running
  {
    try fixture.tool.start(
      [
        "watermark", "queries", "--key", fixture.out("run") + "/key.json", "--limit", "200",
        "--set", "data.test_limit=60", "--threads", "1", "--out", fixture.out("queries"),
        "--foreign-keys", "\(keys)", "--suspect-keys", "\(keys)",
      ] + more)
  }

  @Test("With --force no picture of an earlier query set stays, and no other file goes")
  func force() async throws {
    let fixture = try await embedded()
    let pictures = fixture.out("queries") + "/images"
    func names() throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: pictures)
    }
    let first = try await ask(fixture, keys: 9, "--png").outcome()
    #expect(first.status == 0, "\(first.stderr)")
    let many = try names().count
    try "mine".write(toFile: pictures + "/notes.png", atomically: true, encoding: .utf8)
    let second = try await ask(fixture, keys: 1, "--png", "--force").outcome()
    #expect(second.status == 0, "\(second.stderr)")
    let images = try DataSource.load(fixture.out("queries") + "/queries.h5").train
    #expect(images.count < many)
    #expect(try names().count == images.count + 1)
    // Also in a folder that was there before nobody else reads the carriers.
    for (path, mode) in [(pictures, 0o700), (fixture.out("queries") + "/queries.h5", 0o600)] {
      let found = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
      #expect(found as? Int == mode, "\(path)")
    }
    let third = try await ask(fixture, keys: 1, "--force").outcome()
    #expect(third.status == 0, "\(third.stderr)")
    #expect(try names() == ["notes.png"])
  }

  @Test(
    "A signal while pictures are written leaves none, so that the same command can be given again")
  func interrupted() async throws {
    let fixture = try await embedded()
    let running = try ask(fixture, keys: 199, "--png")
    try await running.wait(for: "pictures")
    running.send(SIGTERM)
    let stopped = try await running.outcome()
    #expect(stopped.status == 75, "\(stopped.stderr)")
    #expect(stopped.stderr.contains("Run the same command again."), "\(stopped.stderr)")
    #expect(!FileManager.default.fileExists(atPath: fixture.out("queries")))
  }
}
