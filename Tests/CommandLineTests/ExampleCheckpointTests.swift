import BulwarkStore
import Foundation
import Testing

@Suite("The example checkpoints of the repository")
struct ExampleCheckpointTests {
  static let folder =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path + "/Checkpoints/"

  /// A line of the index.
  struct Example: Sendable, CustomTestStringConvertible {
    var file: String
    var cleanAccuracy: Double
    var attackSuccessRate: Double
    var digest: String

    var testDescription: String { file }

    /// Reads `| [file](file) | … | 98.3 % | 99.1 % | digest |`.
    init?(_ line: Substring) {
      let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      guard cells.count >= 4, let link = cells[0].firstMatch(of: /\[(.+\.h5)\]\(.+\.h5\)/),
        let clean = Self.percent(cells[cells.count - 3]),
        let attack = Self.percent(cells[cells.count - 2])
      else { return nil }
      file = String(link.1)
      cleanAccuracy = clean
      attackSuccessRate = attack
      digest = cells[cells.count - 1].trimmingCharacters(in: ["`"])
    }

    private static func percent(_ text: String) -> Double? {
      text.hasSuffix(" %") ? Double(text.dropLast(2)).map { $0 / 100 } : nil
    }
  }

  private static let examples: [Example] = {
    let text = (try? String(contentsOfFile: folder + "README.md", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").compactMap(Example.init)
  }()

  @Test("The index lists every file, and together they are small")
  func index() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder)
      .filter { $0.hasSuffix(".h5") }
    #expect(files.sorted() == Self.examples.map(\.file).sorted() && files.count >= 2)
    let sizes = try files.map {
      try FileManager.default.attributesOfItem(atPath: Self.folder + $0)[.size] as? Int ?? .max
    }
    #expect(sizes.allSatisfy { $0 < 3_000_000 } && sizes.reduce(0, +) < 3_000_000)
  }

  @Test("Each is the stated file and gives the stated numbers", arguments: examples)
  func isAsStated(example: Example) async throws {
    let path = Self.folder + example.file
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    #expect(SHA256Digest(of: bytes).description == example.digest)
    let outcome = try await Tool()(
      "evaluate", path, "--data", "digits", "--trigger", Self.folder + "digits-badnets.json",
      "--json", "--quiet", "--threads", "1", "--precision", "fp32")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let metrics = try #require(outcome.json?["metrics"] as? [String: [String: Any]])
    for (name, stated) in [
      ("clean_accuracy", example.cleanAccuracy), ("attack_success_rate", example.attackSuccessRate),
    ] {
      let found = try #require(metrics[name]?["value"] as? Double)
      // Rounding to 0.1 %, and one of more than 300 images that another processor may see otherwise.
      #expect(abs(found - stated) < 0.004, "\(name): \(found)")
    }
  }

  @Test("A checkpoint shows what the other one lacks: the backdoor")
  func contrast() throws {
    let rates = Self.examples.map(\.attackSuccessRate).sorted()
    #expect(try #require(rates.last) > 0.95 && #require(rates.first) < 0.05)
  }
}
