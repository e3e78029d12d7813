import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation
import FoundationXML
import Testing

@testable import BulwarkWatermark

@Suite("The stress run")
struct RemovalStressTests {
  static let texts = [
    "prune-0.1", "prune-0.9", "distillation-half:epochs=2,batch_size=50", "quantize-8",
  ]

  private func suite(
    _ texts: [String] = texts, nulls: [Double] = [0, 0.1, 0.1, 0.2], context: String = ""
  ) throws -> StressSuite {
    let stolen = try StolenModel.shared.get()
    func score(_ set: ImageDataset) -> TriggerSetAccuracy {
      TriggerSetAccuracy(carriers: set, normalization: stolen.data.normalization)
    }
    let rank = NullRank(nulls: nulls)
    return StressSuite(
      attacks: try texts.map(stolen.attack),
      marks: [
        StressMark("own", role: .own, score: score(stolen.carriers)) { rank.pValue(of: $0) },
        StressMark("other", role: .foreign, score: score(stolen.foreignCarriers)),
      ], nulls: nulls, context: context)
  }

  private func run(
    _ suite: StressSuite, store: StressStore? = nil, stopAfter: Int = .max,
    finished: (StressReport.Row, Bool) -> Void = { _, _ in }
  ) throws -> StressReport {
    let stolen = try StolenModel.shared.get()
    var asked = 0
    let session = try TrainingSession(
      seed: 5, checkpointInterval: .infinity,
      stopRequested: {
        asked += 1
        return asked > stopAfter
      })
    return try suite.run(
      on: stolen.model(), data: stolen.data, store: store, session: session, finished: finished)
  }

  /// A report without its times.
  private func timeless(_ report: StressReport) -> StressReport {
    var report = report
    for place in report.rows.indices { report.rows[place].seconds = 0 }
    return report
  }

  @Test(
    "Each row has accuracy, scores, p-value, class shares, and is marked where too much is lost")
  func rows() throws {
    let stolen = try StolenModel.shared.get()
    let report = try run(suite())
    #expect(report.rows.map(\.attack) == ["none"] + Self.texts)
    let (base, mild, strong, student, eight) = (
      report.rows[0], report.rows[1], report.rows[2], report.rows[3], report.rows[4]
    )
    #expect(base.own?.value == 1 && base.accuracyChange == 0 && base.classPriorShift == 0)
    #expect(base.accuracy == (try stolen.accuracy(stolen.model())))
    // Of four null scores none is as large: 1 / 5.
    #expect(base.own?.pValue == 0.2)
    #expect(!mild.losesTooMuch && strong.losesTooMuch && !eight.losesTooMuch)
    #expect(try #require(mild.own?.value) > 0.9)
    #expect(try #require(student.own?.value) < 0.5)
    #expect(student.architecture.width == 4)
    #expect(student.remark.contains("fresh student"))
    #expect(try #require(base.strongestForeign?.value) < 0.5)
    for row in report.rows {
      #expect(abs(row.classShares.reduce(0, +) - 1) < 1e-9)
      let shift = abs(row.classShares[row.shiftedClass] - base.classShares[row.shiftedClass])
      #expect(abs(row.classPriorShift - shift) < 1e-12)
      #expect(abs(row.accuracyChange - (row.accuracy - base.accuracy)) < 1e-12)
    }
    #expect(strong.classPriorShift > 0.05)
    #expect(student.seconds > 0)
    // The model itself is no attack, and a p-value of 0.2 proves nothing at 0.1.
    #expect(report.successful(level: 0.1).allSatisfy { $0.attack != "none" && !$0.losesTooMuch })
    #expect(report.successful(level: 0.1).contains { $0.attack == "prune-0.1" })
    #expect(!report.successful(level: 0.2).contains { $0.attack == "prune-0.1" })
  }

  @Test("Finished attacks are kept and not run again, an interrupted one goes on, nothing changes")
  func resumes() throws {
    let folder = try ScratchFolder()
    let store = StressStore(folder: folder.path, keepsSurrogates: true)
    let expected = try run(suite())
    // 300 images in batches of 50: the student is stopped in its second epoch.
    #expect(throws: TrainingInterrupted.self) { try run(suite(), store: store, stopAfter: 8) }
    var kept: [String] = []
    let resumed = try run(suite(), store: store) { if $1 { kept.append($0.attack) } }
    #expect(kept == ["prune-0.1", "prune-0.9"])
    #expect(timeless(resumed) == timeless(expected))
    kept = []
    let again = try run(suite(), store: store) { if $1 { kept.append($0.attack) } }
    #expect(kept == Self.texts)
    #expect(again == resumed)
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(!files.contains { $0.contains("partial") })
    let surrogate = try ImageClassifier.restored(
      from: Checkpoint(reading: store.surrogate(Self.texts[2])))
    #expect(try StolenModel.shared.get().accuracy(surrogate) == resumed.rows[3].accuracy)
    // What was measured under other circumstances does not count.
    kept = []
    _ = try run(suite(["prune-0.1"], context: "other"), store: store) {
      if $1 { kept.append($0.attack) }
    }
    #expect(kept.isEmpty)
  }

  @Test("An attack does the same wherever it stands in the list")
  func order() throws {
    let texts = ["noise", "rtll:epochs=1,batch_size=100"]
    let forward = timeless(try run(suite(texts))).rows
    let backward = timeless(try run(suite(texts.reversed()))).rows
    #expect(forward[1] == backward[2])
    #expect(forward[2] == backward[1])
  }

  @Test("The p-value is the rank among the nulls")
  func rank() {
    let nulls = NullRank(nulls: [0.1, 0.2, 0.2, 0.3])
    #expect(nulls.pValue(of: 0.4) == 0.2)
    #expect(nulls.pValue(of: 0.3) == 0.4)
    #expect(nulls.pValue(of: 0.2) == 0.8)
    #expect(nulls.pValue(of: 0) == 1)
    #expect(NullRank(nulls: []).pValue(of: 1) == 1)
    // Under the null every rank is as likely: the share of p ≤ α is at most α.
    let all = (0..<100).map { Double(($0 * 37) % 100) }
    for level in [0.01, 0.05, 0.2] {
      let claims = all.indices.count { place in
        var others = all
        let own = others.remove(at: place)
        return NullRank(nulls: others).pValue(of: own) <= level
      }
      #expect(Double(claims) / 100 <= level + 1e-12)
    }
  }

  @Test("The JSON is the report, and the plot shows every attack with its name")
  func files() throws {
    let report = try run(suite(["prune-0.1", "prune-0.9"]))
    let json = try report.json()
    #expect(json["schema"] == "bulwark.stress/1")
    #expect(try json.decode(as: StressReport.self) == report)
    let svg = StressPlot(report).svg()
    let parsed = try XMLDocument(xmlString: svg)
    let root = try #require(parsed.rootElement())
    let circles = try root.nodes(forXPath: "//*[local-name()='circle']").compactMap {
      $0 as? XMLElement
    }
    #expect(circles.count == 2)
    let fills = circles.compactMap { $0.attribute(forName: "fill")?.stringValue }
    // Hollow where too much accuracy is lost.
    #expect(fills == ["#1f618d", "white"])
    for row in report.rows { #expect(svg.contains(row.attack)) }
    func place(_ index: Int, _ name: String) throws -> Double {
      try #require(
        circles[index].attribute(forName: name)?.stringValue.flatMap { Double($0) })
    }
    #expect(try place(1, "cx") < place(0, "cx"))
    #expect(try place(1, "cy") > place(0, "cy"))
  }

  @Test("Without test images there is nothing to measure")
  func noTest() throws {
    let stolen = try StolenModel.shared.get()
    let data = TrainingData(
      train: stolen.data.train,
      evaluator: Evaluator(test: nil, triggered: nil, normalization: stolen.data.normalization))
    #expect(throws: RemovalError.self) {
      try suite().run(on: stolen.model(), data: data, session: TrainingSession(seed: 0))
    }
  }
}
