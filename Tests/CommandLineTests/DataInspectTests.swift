import Foundation
import Testing

@Suite("bulwark data inspect")
struct DataInspectTests {
  let tool = Tool()

  @Test("--json prints one line with sorted keys on stdout, and nothing else")
  func json() async throws {
    let outcome = try await tool("data", "inspect", "digits", "--json")
    #expect(outcome.status == 0)
    #expect(outcome.stdout.split(separator: "\n").count == 1)
    let result = try #require(outcome.json)
    #expect(result["schema"] as? String == "bulwark.result/1")
    #expect(result["command"] as? String == "data inspect")
    #expect(result["seconds"] as? Double != nil)
    let details = try #require(result["details"] as? [String: Any])
    #expect(details["kind"] as? String == "digits")
    let train = try #require(details["train"] as? [String: Any])
    #expect(train["shape"] as? [Int] == [1437, 1, 16, 16])
    #expect((train["counts_per_class"] as? [Int])?.reduce(0, +) == 1437)
    #expect((train["fingerprint"] as? String)?.count == 64)
    // Sorted keys: the first and the last of the object.
    #expect(outcome.stdout.hasPrefix(#"{"command":"#))
    #expect(outcome.stdout.hasSuffix("\"version\":\"\(result["version"] as? String ?? "")\"}\n"))
  }

  @Test("The table names every class with its counts")
  func table() async throws {
    let outcome = try await tool("data", "inspect", "digits")
    #expect(outcome.status == 0)
    #expect(outcome.stdout.contains("train: 1437 images of 1 x 16 x 16"))
    #expect(outcome.stdout.contains("    3     3    146    37"))
  }

  @Test("--limit balances the classes")
  func limit() async throws {
    let outcome = try await tool("data", "inspect", "digits", "--limit", "50", "--json")
    let details = try #require(outcome.json?["details"] as? [String: Any])
    let train = try #require(details["train"] as? [String: Any])
    #expect(train["counts_per_class"] as? [Int] == Array(repeating: 5, count: 10))
  }

  @Test("A missing path is exit code 66 and is named")
  func missing() async throws {
    let outcome = try await tool("data", "inspect", "/nonexistent/data")
    #expect(outcome.status == 66)
    #expect(outcome.stderr.contains("/nonexistent/data"))
    #expect(outcome.stdout.isEmpty)
  }

  @Test("Bad data is exit code 65 and the file is named")
  func badData() async throws {
    let folder = try TemporaryFolder()
    for name in ["cat", "dog"] {
      let inside = folder.url.appendingPathComponent(name)
      try FileManager.default.createDirectory(at: inside, withIntermediateDirectories: true)
      try Data("no picture".utf8).write(to: inside.appendingPathComponent("one.png"))
    }
    let outcome = try await tool("data", "inspect", folder.url.path)
    #expect(outcome.status == 65)
    #expect(outcome.stderr.contains("one.png"))
  }

  @Test("The help lists data sets to download with their digests")
  func downloads() async throws {
    let outcome = try await tool("data", "inspect", "--help")
    #expect(outcome.stdout.contains("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"))
    #expect(
      outcome.stdout.contains("c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"))
  }
}
