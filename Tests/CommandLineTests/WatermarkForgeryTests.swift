import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import BulwarkWatermark
import Foundation
import Testing

@testable import bulwark

@Suite("Forged watermark keys")
struct WatermarkForgeryTests {
  /// Random pictures whose "true" labels are set so that the wrong labels that the secret draws are what
  /// the victim answers: a perfect key for any model, with a digest that opens.
  private func forged(from honest: WatermarkKey, against victim: LoadedModel, otherData: Bool)
    throws -> WatermarkKey
  {
    let count = try #require(honest.mark.carriers?.count)
    let pictures = try RandomKey(seed: 8).integers([count] + honest.shape, below: 256).to(.uint8)
    let set = try ImageDataset(
      images: pictures, labels: [Int](repeating: 0, count: count),
      classNames: (0..<honest.classes).map(String.init))
    let answers = try victim.model.predictions(
      of: set, victim.normalization, session: TrainingSession(seed: 0))
    let steps = honest.secret.integers("labels", count: count, below: honest.classes - 1)
    let truth = zip(answers, steps).map { ($0 + 2 * honest.classes - 1 - $1) % honest.classes }
    let material = CarrierMaterial(images: pictures, labels: truth, positions: Array(0..<count))
    func object(_ value: some Encodable) throws -> Any {
      try JSONSerialization.jsonObject(with: JSONEncoder().encode(value))
    }
    var parts = try #require(try object(honest) as? [String: Any])
    parts["material"] = try object(material)
    if otherData { parts["trainFingerprint"] = String(repeating: "0", count: 64) }
    let key = try JSONDecoder().decode(
      WatermarkKey.self, from: JSONSerialization.data(withJSONObject: parts))
    #expect(try key.carriers()?.labels == answers)
    return key
  }

  @Test("A key made of an innocent model's answers is refused, or shows nothing")
  func ambiguity() async throws {
    let fixture = try WatermarkFixture()
    let (run, innocent) = (fixture.out("run"), fixture.out("innocent"))
    for (out, more) in [(run, ["--scheme", "margin", "--epochs", "1"]), (innocent, [])] {
      let embedded = try await fixture.tool.start(
        ["watermark", "embed", "--recipe", fixture.recipe, "--out", out, "--quiet"] + more
      ).outcome()
      #expect(embedded.status == 0, "\(embedded.stderr)")
    }
    let honest = try WatermarkKey(reading: run + "/key.json")
    let suspect = innocent + "/model.h5"
    let victim = try LoadedModel(suspect, device: .cpu)

    // Of the data that the key names, the secret draws other images.
    let sameData = try forged(from: honest, against: victim, otherData: false)
    try sameData.write(to: fixture.out("same.json"))
    let digest = try #require(try sameData.commitment()).description
    let refused = try await fixture.tool.start(
      fixture.verify(key: fixture.out("same.json"), suspect: suspect, ["--commitment", digest])
    ).outcome()
    #expect(refused.status == 65, "\(refused.stdout)")
    #expect(refused.stderr.contains("not those that its secret draws"))

    // Of other data nothing can be drawn again: neither a tail nor a claim, whatever was committed.
    let otherData = try forged(from: honest, against: victim, otherData: true)
    try otherData.write(to: fixture.out("other.json"))
    let other = try #require(try otherData.commitment()).description
    for more in [["--commitment", other], []] {
      let outcome = try await fixture.tool.start(
        fixture.verify(
          key: fixture.out("other.json"), suspect: suspect,
          ["--access", "labels", "--json", "--quiet"] + more)
      ).outcome()
      #expect(outcome.status == 2, "\(outcome.stderr)")
      let metrics = try #require(outcome.json?["metrics"] as? [String: [String: Any]])
      #expect(metrics["carrier_accuracy"]?["value"] as? Double == 1)
      #expect(metrics["watermark_binomial_log10_p"] == nil)
      let details = try #require(outcome.json?["details"] as? [String: Any])
      #expect(details["verdict"] as? String == "not_shown")
      #expect(details["images_drawn_again"] as? Bool == false)
      let counted = try #require(details["counted"] as? [String: Any])
      #expect(counted["withheld"] as? String == (more.isEmpty ? "not_committed" : "not_drawn"))
    }
  }

  /// A marked model of one epoch, in the folder that is returned.
  private func marked() async throws -> (WatermarkFixture, String) {
    let fixture = try WatermarkFixture()
    let run = fixture.out("run")
    let embedded = try await fixture.tool(
      "watermark", "embed", "--recipe", fixture.recipe, "--epochs", "1", "--out", run, "--quiet")
    #expect(embedded.status == 0, "\(embedded.stderr)")
    return (fixture, run)
  }

  @Test("A released model of another network than the key states is refused")
  func network() async throws {
    let (fixture, run) = try await marked()
    // A network like the stated one would choose for foreign keys, and a tiny one chooses badly.
    let honest = try WatermarkKey(reading: run + "/key.json")
    let digest = try #require(honest.modelDigest.flatMap(SHA256Digest.init(hexadecimal:)))
    var tiny = try #require(honest.facts.architecture)
    tiny.width = 1
    let key = honest.sealed(digest, architecture: tiny)
    try key.write(to: fixture.out("tiny.json"))
    let commitment = try #require(try key.commitment()).description
    var released = try Checkpoint(reading: run + "/model.h5")
    released.notes = ["watermark": ["commitment": .string(commitment)]]
    try released.write(to: fixture.out("released.h5"))
    let outcome = try await fixture.tool.start(
      fixture.verify(
        key: fixture.out("tiny.json"), suspect: run + "/model.h5",
        ["--commitment", commitment, "--released", fixture.out("released.h5")])
    ).outcome()
    #expect(outcome.status == 65, "\(outcome.stderr)")
    #expect(outcome.stderr.contains("it states a small_cnn, width 1"), "\(outcome.stderr)")
  }

  @Test("Who edits a key is not told the digest that the edited key needs")
  func digest() async throws {
    let (fixture, run) = try await marked()
    let honest = try WatermarkKey(reading: run + "/key.json")
    var edited = honest
    edited.facts.created = "1999-12-31T00:00:00Z"
    let needed = try #require(try edited.commitment())
    let text = try String(contentsOfFile: run + "/key.json", encoding: .utf8)
    try text.replacing(honest.facts.created, with: edited.facts.created).write(
      toFile: fixture.out("edited.json"), atomically: true, encoding: .utf8)
    let outcome = try await fixture.tool.start(
      fixture.verify(key: fixture.out("edited.json"), suspect: run + "/model.h5")
    ).outcome()
    #expect(outcome.status == 65)
    #expect(outcome.stderr.contains("does not open the commitment"))
    #expect(!(outcome.stderr + outcome.stdout).contains("\(needed.digest)"))
  }
}
