import BulwarkData
import BulwarkStore
import BulwarkTensor
import Foundation
import Testing

@testable import bulwark

@Suite("What a stress run takes from the files that it is given")
struct StressInputTests {
  private func carriers(_ outcome: Tool.Outcome) throws -> [String: Any] {
    let rows = try #require(outcome.json?["rows"] as? [[String: Any]])
    let metrics = try #require(rows[0]["metrics"] as? [String: [String: Any]])
    return try #require(metrics["carrier_accuracy"])
  }

  @Test("Carriers are all the images of their file, also where it has a test part")
  func split() async throws {
    let fixture = try await StressFixture()
    let own = try DataSource.load(fixture.file("carriers.h5")).train
    // The second half under wrong labels, so that losing it would show.
    let half = own.count / 2
    let labels = own.labels.enumerated().map { $0 < half ? $1 : ($1 + 1) % 10 }
    try DatasetFile(
      images: own.images, labels: labels, classNames: own.classNames,
      indexSets: ["train": Array(0..<half), "test": Array(half..<own.count)]
    ).write(to: fixture.file("split.h5"))
    let outcome = try await fixture.stress([
      "--carriers", fixture.file("split.h5"), "--attack", "prune:share=0.01", "--out",
      fixture.file("run"), "--json",
    ])
    #expect(outcome.status == 0, "\(outcome.stderr)")
    #expect(try carriers(outcome)["value"] as? Double == 0.5)
  }

  @Test("No attack learns from the images that surrogates are measured on")
  func testImages() async throws {
    let fixture = try await StressFixture()
    let digits = try DataSource.load("digits", options: DataOptions(limit: 200, testLimit: 60))
    let test = try #require(digits.test)
    let fresh = try DataSource.load("digits").train.without([digits.train, test]).0.subset([0, 1])
    let count = test.count + fresh.count
    try DatasetFile(
      images: Tensor.cat([test.images, fresh.images]), labels: test.labels + fresh.labels,
      classNames: test.classNames,
      indexSets: ["train": Array(0..<count - 1), "test": [count - 1]]
    ).write(to: fixture.file("others.h5"))
    let outcome = try await fixture.stress([
      "--other-data", fixture.file("others.h5"), "--attack", "prune-0.1", "--out",
      fixture.file("run"),
    ])
    #expect(outcome.status == 0, "\(outcome.stderr)")
    #expect(
      outcome.stderr.contains("\(test.count) images of \(fixture.file("others.h5"))"),
      "\(outcome.stderr)")
    // Labels count by the names of classes.
    try DatasetFile(
      images: fresh.images, labels: fresh.labels, classNames: fresh.classNames.reversed()
    ).write(to: fixture.file("renamed.h5"))
    let renamed = try await fixture.stress([
      "--other-data", fixture.file("renamed.h5"), "--attack", "prune-0.1", "--out",
      fixture.file("never"),
    ])
    #expect(renamed.status == 65, "\(renamed.stderr)")
    #expect(renamed.stderr.contains("names of classes"), "\(renamed.stderr)")
  }
}
