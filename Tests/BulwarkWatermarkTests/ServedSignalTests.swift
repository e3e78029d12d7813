import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkWatermark

/// CosWM as it was published: a server changes the answers, the network carries nothing.
@Suite("CosWM behind a server") struct ServedSignalTests {
  private static var options: WatermarkOptions {
    var options = WatermarkOptions.small
    options.coswm.served = true
    options.coswm.amplitude = 0.1
    return options
  }

  private func served(_ task: TinyTask) throws -> (WatermarkKey, CosineChange) {
    let key = try task.key(.coswm, Self.options)
    return (
      key,
      try #require(try CosineChange(servedBy: key, task.data.normalization, on: .cpu))
    )
  }

  @Test("The change is the paper's, written out for one image and every class")
  func equation() throws {
    let task = try TinyTask.shared.get()
    let (key, change) = try served(task)
    let images = try task.data.train.images.narrow(0, start: 0, length: 3)
    let wave = try change.wave(task.data.normalization.prepare(images, on: .cpu))
    let logits = try RandomKey(seed: 3).normal([3, 10])
    let changed = try change.logits(logits, wave: wave).doubles()
    let (q, signal) = (try logits.softmax(1).doubles(), try #require(key.mark.signal))
    let v = try signal.projection(key.secret, shape: key.shape).doubles()
    let x = try ImageDataset.unitRange(images).doubles()
    for image in 0..<3 {
      let place = v.indices.reduce(0) { $0 + v[$1] * x[image * v.count + $1] }
      let c = cos(signal.frequency * place)
      var total = 0.0
      for label in 0..<10 {
        let own = label == signal.target(of: key)
        let expected = (q[image * 10 + label] + 0.1 * (own ? 1 + c : (1 - c) / 9)) / 1.2
        let found = exp(changed[image * 10 + label])
        #expect(abs(found - expected) < 1e-5, "image \(image), class \(label)")
        total += found
      }
      #expect(abs(total - 1) < 1e-5)
    }
  }

  @Test("Served answers carry the signal, and the network behind the server does not")
  func host() throws {
    let task = try TinyTask.shared.get()
    let trainer = try task.trainer(.coswm, Self.options, epochs: 12)
    let values = try trainer.run()
    let answered = try #require(values.first { $0.definition == Metric.signalPowerRatio }).value
    let own = try #require(
      try trainer.key.score(
        normalization: task.data.normalization, access: .logits, probe: task.data.train
      ).score(trainer.model, session: TrainingSession(seed: 0)))
    #expect(answered > 2, "served \(answered)")
    #expect(own < answered / 2, "served \(answered), own \(own)")

    // The suite reads the stolen model as its users do, through the server.
    let (key, test) = (trainer.key, try #require(task.data.evaluator.test))
    func untouched(_ server: CosineChange?) throws -> Double {
      let mark = StressMark(
        "own", role: .own,
        score: try key.score(
          normalization: task.data.normalization, access: .logits, probe: task.data.train),
        contents: "key")
      let report = try StressSuite(attacks: [], marks: [mark], server: server).run(
        on: trainer.model, data: task.data, session: TrainingSession(seed: 0))
      #expect(report.testImages == test.count)
      return try #require(report.rows[0].readings[0].value)
    }
    let change = try CosineChange(servedBy: key, task.data.normalization, on: .cpu)
    #expect(try abs(untouched(change) - answered) < 1e-6)
    #expect(try abs(untouched(nil) - own) < 1e-6)
    let accuracy = try #require(values.first { $0.definition == Metric.cleanAccuracy }).value
    #expect(accuracy > 0.5)
  }

  @Test("A key says that its answers are served, and one without a server says nothing of it")
  func key() throws {
    let task = try TinyTask.shared.get()
    let (served, _) = try served(task)
    let plain = try task.key(.coswm, .small)
    #expect(try CosineChange(servedBy: plain, task.data.normalization, on: .cpu) == nil)
    #expect(try JSONValue.text(of: served.mark).contains("\"served\":0.1"))
    #expect(try !JSONValue.text(of: plain.mark).contains("served"))
    var other = Self.options
    other.coswm.signal.frequency = 4
    func identity(_ options: WatermarkOptions) throws -> String? {
      try CosineChange(
        servedBy: task.key(.coswm, options), task.data.normalization, on: .cpu)?.identity
    }
    #expect(try identity(Self.options) == identity(Self.options))
    #expect(try identity(other) != identity(Self.options))

    let folder = try TemporaryFolder()
    let path = folder.file("key.json")
    try served.write(to: path)
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(try WatermarkKey(reading: path).mark == served.mark)
    for amplitude in ["0", "0.6", "-0.1"] {
      try text.replacing("\"served\":0.1", with: "\"served\":\(amplitude)").write(
        toFile: path, atomically: true, encoding: .utf8)
      #expect(throws: WatermarkError.self, "\(amplitude)") { try WatermarkKey(reading: path) }
    }
    let digest = SHA256Digest(of: "model")
    #expect(try served.sealed(digest).commitment() != plain.sealed(digest).commitment())
  }

  @Test(
    "A thief who distills gets the server's answers, however he asks",
    arguments: ["views", "plain", "live"])
  func thief(ask: String) throws {
    let task = try TinyTask.shared.get()
    let (_, change) = try served(task)
    let teacher = try task.unmarked(seed: 4, epochs: 2)
    func student(_ server: CosineChange?) throws -> [[UInt8]] {
      let environment = RemovalEnvironment(
        views: [.padCrop(PadCrop(padding: 1))], server: server)
      let attack = try RemovalRegistry.standard.attack(
        "distillation:epochs=1,ask=\(ask)", environment: environment)
      let described = try #require(attack as? any DescribedRemovalAttack)
      #expect(described.remark.contains("server") == (server != nil))
      return try bytes(
        attack.surrogate(of: teacher, data: task.data, session: TrainingSession(seed: 1)))
    }
    let through = try student(change)
    #expect(try through == student(change))
    #expect(try through != student(nil))
  }

  @Test("Answers through a server are those of the model, changed, and are kept apart from them")
  func answers() throws {
    let task = try TinyTask.shared.get()
    let (_, change) = try served(task)
    let (teacher, session) = (try task.unmarked(seed: 4, epochs: 2), try TrainingSession(seed: 1))
    let answers = TeacherAnswers(key: RandomKey(seed: 1))
    func asked(_ server: CosineChange?) throws -> Tensor {
      try answers.logits(
        of: teacher, digest: "teacher", on: task.data.train, in: nil, view: 0,
        task.data.normalization, through: server, session: session)
    }
    let own = try asked(nil)
    let images = try task.data.normalization.prepare(task.data.train.images, on: .cpu)
    let expected = try change.logits(own, wave: change.wave(images)).floats()
    #expect(try asked(change).floats() == expected)
    #expect(try asked(nil).floats() == own.floats())
    #expect(answers.passes == 2)
  }

  @Test("An amplitude inside the signal is refused: the option beside it says whether it is served")
  func refused() throws {
    var options = WatermarkOptions.small
    options.coswm.signal.served = 0.1
    #expect(throws: RecipeError.self) { try options.validate(.coswm) }
  }
}
