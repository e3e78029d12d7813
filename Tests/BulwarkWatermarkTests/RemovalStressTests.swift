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

  /// What half-wide students of the stolen model are.
  static let half = Architecture(.smallCNN, width: 4, classes: 10, channels: 1)

  private func suite(
    _ texts: [String] = texts, context: String = "", means: String = "", own: ImageDataset? = nil
  ) throws -> StressSuite {
    let stolen = try StolenModel.shared.get()
    let own = own ?? stolen.carriers
    func mark(_ name: String, _ role: StressMark.Role, _ set: ImageDataset) throws -> StressMark {
      StressMark(name, role: role, score: stolen.score(set), contents: try set.fingerprint)
    }
    return StressSuite(
      attacks: try texts.map(stolen.attack),
      marks: [
        try mark("own", .own, own), try mark("other", .foreign, stolen.foreignCarriers),
      ],
      nulls: [
        NullScores(try stolen.model().architecture, scores: [[0, 0.1], [0.2, 0.1]]),
        NullScores(Self.half, scores: [[0.9, 0], [0.9, 0], [0.9, 0]]),
      ], context: context, means: means)
  }

  private func run(
    _ suite: StressSuite, store: StressStore? = nil, stopAfter: Int = .max,
    events: (any EventSink)? = nil,
    finished: (StressReport.Row, Bool) -> Void = { _, _ in }
  ) throws -> StressReport {
    let stolen = try StolenModel.shared.get()
    var asked = 0
    let session = try TrainingSession(
      seed: 5, events: events, checkpointInterval: .infinity,
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
    // Neither the foreign key nor one of four null scores is as large: 1 / 6.
    #expect(base.own?.pValue == 1 / 6.0 && base.own?.log10P == log10(1 / 6.0))
    #expect(base.strongestForeign?.pValue == nil)
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
    // A p-value of 1/6 shows something at 0.2; at 0.1 the table is too small to say anything.
    #expect(report.showsKey(level: 0.2) == true && mild.own?.isShown(level: 0.2) == true)
    #expect(report.showsKey(level: 0.1) == nil && report.successful(level: 0.1).isEmpty)
    #expect(report.unjudged(level: 0.1).contains { $0.attack == "prune-0.1" })
    // The student is held against models of its own width: eight cells, and three of them score more.
    #expect(student.own?.smallestP == 1 / 8.0 && student.own?.isLargest == false)
    #expect(student.own?.isShown(level: 0.2) == false)
  }

  @Test(
    "A student loses what unmarked networks of its own architecture have, and not what it lacks in size"
  )
  func smallerStudents() throws {
    let stolen = try StolenModel.shared.get()
    let own = try stolen.model().architecture
    func student(_ accuracies: [Double]) throws -> StressReport.Row {
      let attack = try stolen.attack("distillation-half:epochs=1,batch_size=50")
      return try run(
        StressSuite(
          attacks: [attack],
          marks: [
            StressMark("own", role: .own, score: stolen.score(stolen.carriers), contents: "")
          ], margin: 0.05,
          nulls: [
            NullScores(own, scores: [[0]], accuracies: [0]),
            NullScores(Self.half, scores: [[0]], accuracies: accuracies),
          ])
      ).rows[1]
    }
    let stolenAccuracy = try stolen.accuracy(stolen.model())
    let unknown = try student([])
    #expect(unknown.expectedAccuracy == stolenAccuracy && unknown.losesTooMuch)
    // The median of an even number is between the middle ones.
    let known = try student([unknown.accuracy + 0.06, 0, unknown.accuracy + 0.02, 1])
    #expect(abs(known.expectedAccuracy - (unknown.accuracy + 0.04)) < 1e-12)
    #expect(!known.losesTooMuch)
    #expect(try student([unknown.accuracy + 0.06]).losesTooMuch)
    // Null models that do better than the stolen model ask for no more than it has.
    #expect(try student([1]).expectedAccuracy == stolenAccuracy)
  }

  /// Serves the stolen model behind a wall.
  private struct Wall: DescribedRemovalAttack {
    let name = "wall"
    let settings = JSONValue.null
    let remark = ""

    func surrogate(
      of model: ImageClassifier, data: TrainingData, session: TrainingSession
    ) throws -> ImageClassifier { model }

    func served(_ images: ImageDataset, data: TrainingData) throws -> ImageDataset {
      try images.replacingImages(Tensor.zeros(images.images.shape).to(.uint8))
    }
  }

  @Test(
    "What a thief does to images before his model sees them is done to test images and carriers")
  func served() throws {
    let stolen = try StolenModel.shared.get()
    let own = StressMark("own", role: .own, score: stolen.score(stolen.carriers), contents: "")
    let report = try run(StressSuite(attacks: [Wall()], marks: [own], margin: 1))
    let row = report.rows[1]
    // Every image is the same to it.
    let answer = try #require(row.classShares.firstIndex(of: 1))
    let test = try #require(stolen.data.evaluator.test)
    #expect(row.accuracy == Double(test.labels.count { $0 == answer }) / Double(test.count))
    let hits = stolen.carriers.labels.count { $0 == answer }
    #expect(abs(try #require(row.own?.value) - Double(hits) / 24) < 1e-6)
    #expect(report.rows[0].own?.value == 1)
  }

  @Test("Attacks say beforehand which architecture their surrogate has")
  func architectures() throws {
    let stolen = try StolenModel.shared.get()
    let own = try stolen.model().architecture
    let texts = ["prune-0.1", "distillation-half", "fine_pruning", "prune-0.5+distillation-half"]
    let found = try StressSuite.surrogates(of: own, side: 16, attacks: texts.map(stolen.attack))
    #expect(found == [own, Self.half])
    for text in ["distillation-half:epochs=1", "fine_pruning:epochs=1"] {
      let attack = try #require(try stolen.attack(text) as? any DescribedRemovalAttack)
      #expect(
        try attack.surrogateArchitecture(of: own, side: 16)
          == stolen.surrogate(text).architecture)
    }
  }

  @Test("A surrogate of an architecture without null models gets no p-value and is not judged")
  func noPopulation() throws {
    let stolen = try StolenModel.shared.get()
    let suite = StressSuite(
      attacks: [try stolen.attack("distillation:epochs=1,width=3")],
      marks: [
        StressMark("own", role: .own, score: stolen.score(stolen.carriers), contents: "")
      ], margin: 1, nulls: [NullScores(try stolen.model().architecture, scores: [[0], [0.1]])])
    let report = try run(suite)
    #expect(report.rows[0].own?.pValue == 1 / 3.0)
    #expect(report.rows[1].own?.pValue == nil)
    #expect(report.successful(level: 0.4).isEmpty)
    #expect(report.unjudged(level: 0.4).count == 1)
  }

  @Test(
    "A foreign key that any model answers does not hide the owner's, unless scores are compared")
  func easyForeignKey() throws {
    let stolen = try StolenModel.shared.get()
    for (keyRank, isLargest) in [(RankTest.KeyRank.excess, true), (.score, false)] {
      let suite = StressSuite(
        attacks: [],
        marks: [
          StressMark("own", role: .own, score: stolen.score(stolen.carriers), contents: ""),
          StressMark("easy", role: .foreign, score: stolen.score(stolen.carriers), contents: ""),
        ], keyRank: keyRank,
        nulls: [NullScores(try stolen.model().architecture, scores: [[0, 0.9], [0.1, 0.9]])])
      let row = try run(suite).rows[0]
      let own = try #require(row.own)
      // 1 beyond 0.05 leads 1 beyond 0.9; by score nothing is led.
      #expect(row.hiddenLead.map { abs($0 - 0.85) < 1e-6 } == (isLargest ? true : nil))
      #expect(own.value == 1 && own.pValue == 1 / 6.0)
      #expect(own.isLargest == isLargest, "\(keyRank)")
    }
  }

  @Test("A new last layer hides the mark; under the original one it is found again")
  func originalLastLayer() throws {
    let report = try run(suite(["rtll:epochs=1,learning_rate=0", "ftll:epochs=1"]))
    let (fresh, kept) = (report.rows[1], report.rows[2])
    #expect(try #require(fresh.own?.value) < 0.6)
    #expect(fresh.ownWithOriginalLastLayer == 1)
    #expect(kept.ownWithOriginalLastLayer == nil)
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
    // Nor what was measured with other carriers of the same name.
    _ = try run(suite(["prune-0.1"]), store: store)
    _ = try run(
      suite(["prune-0.1"], own: StolenModel.shared.get().foreignCarriers), store: store
    ) { if $1 { kept.append($0.attack) } }
    #expect(kept.isEmpty)
  }

  @Test(
    "Surrogates of an earlier run are measured again, by other keys too, unless they would be made otherwise"
  )
  func earlierSurrogates() throws {
    let (first, second) = (try ScratchFolder(), try ScratchFolder())
    let before = try run(
      suite(), store: StressStore(folder: first.path, keepsSurrogates: true))
    let store = StressStore(folder: second.path, earlier: first.path)
    func remade(_ suite: StressSuite) throws -> (made: [String], report: StressReport) {
      let log = EventLog()
      let report = try run(suite, store: store, events: log)
      let taken = log.notes.filter { $0.hasSuffix("is measured again") }
        .map { $0.components(separatedBy: ": the")[0] }
      return (suite.attacks.map(\.name).filter { !taken.contains($0) }, report)
    }
    let other = try remade(suite(context: "other nulls"))
    #expect(other.made.isEmpty)
    // To the times that the attacks took.
    #expect(other.report.rows.dropFirst() == before.rows.dropFirst())
    let foreign = try remade(suite(own: StolenModel.shared.get().foreignCarriers))
    #expect(foreign.made.isEmpty)
    #expect(foreign.report.rows.last?.seconds == before.rows.last?.seconds)
    #expect(foreign.report.rows.last?.readings != before.rows.last?.readings)
    #expect(try remade(suite(means: "other views")).made == Self.texts)
    #expect(
      try remade(suite(["prune-0.1", "distillation-half:epochs=2,batch_size=30"])).made
        == ["distillation-half:epochs=2,batch_size=30"])
  }

  @Test("What no checkpoint can hold is not kept, and the run says so")
  func notKept() throws {
    let folder = try ScratchFolder()
    let log = EventLog()
    _ = try run(
      suite(["int8:images=20", "prune-0.1"]),
      store: StressStore(folder: folder.path, keepsSurrogates: true), events: log)
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(files.filter { $0.hasSuffix(".h5") } == ["prune-0.1.h5"])
    #expect(log.notes.contains { $0.hasPrefix("int8:images=20: not kept") }, "\(log.notes)")
  }

  @Test("An attack does the same wherever it stands in the list")
  func order() throws {
    let texts = ["noise", "rtll:epochs=1,batch_size=100"]
    let forward = timeless(try run(suite(texts))).rows
    let backward = timeless(try run(suite(texts.reversed()))).rows
    #expect(forward[1] == backward[2])
    #expect(forward[2] == backward[1])
  }

  @Test("The JSON is the report, and the plot shows every attack with its name")
  func files() throws {
    let report = try run(suite(["prune-0.1", "prune-0.9"]))
    let json = try report.json()
    #expect(json["schema"] == "bulwark.stress/1")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    #expect(try decoder.decode(StressReport.self, from: Data(json.text().utf8)) == report)
    #expect(json["test_images"] == .int(report.testImages))
    let svg = StressPlot(report).svg()
    // Well-formed, or this throws.
    #expect(try XMLDocument(xmlString: svg).rootElement()?.localName == "svg")
    let circles = svg.matches(
      of: try Regex(
        #"<circle cx="([0-9.]+)" cy="([0-9.]+)" r="5" fill="([^"]+)""#,
        as: (Substring, Substring, Substring, Substring).self)
    ).map { (x: Double($0.output.1) ?? 0, y: Double($0.output.2) ?? 0, fill: $0.output.3) }
    // Hollow where too much accuracy is lost.
    #expect(circles.map(\.fill) == ["#1f618d", "white"])
    #expect(circles[1].x < circles[0].x)
    #expect(circles[1].y > circles[0].y)
    for row in report.rows { #expect(svg.contains(row.attack)) }
    // Shares lie between 0 and 1: so does their axis.
    #expect(svg.contains(">0.00<") && svg.contains(">1.00<"))
    #expect(!svg.contains(">-0.20<") && !svg.contains(">1.20<"))
  }

  @Test("An attack that diverges is named, and the others go on")
  func failure() throws {
    let report = try run(suite(["ftal:learning_rate=1e17,epochs=2", "prune-0.1"]))
    #expect(report.rows.map(\.attack) == ["none", "prune-0.1"])
    #expect(report.failures.map(\.attack) == ["ftal:learning_rate=1e17,epochs=2"])
    #expect(report.failures.first?.reason.contains("infinite or not a number") == true)
  }

  @Test("A surrogate whose answers are no numbers is named, and the others go on")
  func notFinite() throws {
    let report = try run(suite(["noise:strength=1e17", "prune-0.1"]))
    #expect(report.rows.map(\.attack) == ["none", "prune-0.1"])
    #expect(report.failures.map(\.attack) == ["noise:strength=1e17"])
    #expect(report.failures.first?.reason.contains("infinite or not a number") == true)
    _ = try report.json().text()
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
