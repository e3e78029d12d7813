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
        normalization: task.data.normalization, access: .logits,
        probe: CleanSample(of: task.data.train)
      ).score(trainer.model, session: TrainingSession(seed: 0)))
    #expect(answered > 2, "served \(answered)")
    // A network that never heard of the key scores 0.2 to 2.
    #expect(own < 1.5, "\(own)")
    #expect(own < answered / 2, "served \(answered), own \(own)")

    // The suite reads the stolen model as its users do, through the server.
    let (key, test) = (trainer.key, try #require(task.data.evaluator.test))
    func stressed(_ server: CosineChange?) throws -> [StressReport.Row] {
      let mark = StressMark(
        "own", role: .own,
        score: try key.score(
          normalization: task.data.normalization, access: .logits,
          probe: CleanSample(of: task.data.train)),
        contents: "key")
      let nulls = NullScores(trainer.model.architecture, scores: [[0.5], [0.7]])
      let environment = RemovalEnvironment(server: server)
      let attacks = try ["permute", "distillation:epochs=1"].map {
        try RemovalRegistry.standard.attack($0, environment: environment)
      }
      let report = try StressSuite(attacks: attacks, marks: [mark], nulls: [nulls], server: server)
        .run(on: trainer.model, data: task.data, session: TrainingSession(seed: 0))
      #expect(report.testImages == test.count)
      return report.rows
    }
    let change = try CosineChange(servedBy: key, task.data.normalization, on: .cpu)
    let (behind, plain) = (try stressed(change), try stressed(nil))
    let readings = try (behind + plain).map { try #require($0.readings[0].value) }
    #expect(abs(readings[0] - answered) < 1e-6)
    #expect(abs(readings[3] - own) < 1e-6)
    // Whoever has the weights has no server: nothing is changed, and nothing was there to be removed.
    #expect(abs(readings[1] - own) < 1e-3)
    #expect(behind[1].accuracyChange == 0 && behind[1].classPriorShift == 0)
    #expect(behind[1].own?.pValue == nil && plain[1].own?.pValue != nil)
    // Who asked is read as he is, and ranked.
    #expect(behind[2].own?.pValue != nil && readings[2] != readings[5])
    #expect(readings[2] < answered, "a surrogate answers by itself")
  }

  @Test("A chain's later links ask the thief's own model, which no server stands before")
  func chain() throws {
    let task = try TinyTask.shared.get()
    let (_, change) = try served(task)
    let teacher = try task.unmarked(seed: 4, epochs: 2)
    func surrogate(_ text: String, _ server: CosineChange?) throws -> [[UInt8]] {
      let attack = try RemovalRegistry.standard.attack(
        text, environment: RemovalEnvironment(server: server))
      let described = try #require(attack as? any DescribedRemovalAttack)
      #expect(described.asksServer == (server != nil && text.hasPrefix("distillation")))
      return try bytes(
        attack.surrogate(of: teacher, data: task.data, session: TrainingSession(seed: 1)))
    }
    let late = "prune-0.1+distillation:epochs=1"
    #expect(try surrogate(late, change) == surrogate(late, nil))
    let early = "distillation:epochs=1+prune-0.1"
    #expect(try surrogate(early, change) != surrogate(early, nil))
  }

  @Test(
    "Recorded answers of the server show the mark; smooth labels, which would undo it, are refused")
  func recorded() throws {
    let task = try TinyTask.shared.get()
    let (key, change) = try served(task)
    let model = try task.unmarked(seed: 4, epochs: 6)
    let session = try TrainingSession(seed: 0)
    let sealed = key.sealed(SHA256Digest(of: "model"))
    let queries = try QuerySet(
      sealed, data: task.data, options: VerificationOptions(foreignKeys: 3, suspectKeys: 3)
    ).images
    func answered(_ images: ImageDataset) throws -> Tensor {
      try model.logits(of: images, task.data.normalization, through: change, session: session)
    }
    let answers = try answered(queries).exp().floats()
    let suspect = try ServedSuspect(
      queries,
      answers: ServedAnswers(
        rows: stride(from: 0, to: answers.count, by: 10).map { Array(answers[$0..<$0 + 10]) },
        hasProbabilities: true))
    let probe = try #require(task.data.evaluator.test)
    let score = try key.score(
      normalization: task.data.normalization, access: .logits, probe: key.sample(of: probe))
    let bare = try #require(try score.score(model, session: session))
    let behind = try #require(try ScoreRow(asking: answered).values([score])[0])
    let read = try #require(try ScoreRow(asking: suspect.answers(to:)).values([score])[0])
    #expect(abs(read - behind) < 1e-3 && abs(read - bare) > 0.1, "\(read), \(behind), \(bare)")

    var training = task.training(epochs: 1)
    training.labelSmoothing = 0.1
    #expect(throws: RecipeError.self) {
      try HostTrainer(
        task.architecture, key: key, data: task.data, options: Self.options, training: training,
        augmentation: task.augmentation, session: TrainingSession(seed: 5))
    }
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

    // In a random view the server is shown what the model is shown.
    let normalization = task.data.normalization
    let views = try answers.views(
      [.padCrop(PadCrop(padding: 2))], normalization, of: task.data.train, count: 1)
    let shown = try views.input(
      task.data.train.images, indices: Array(0..<task.data.train.count), view: 0, on: .cpu)
    let plain = try teacher.logits(shown, .evaluation)
    let viewed = try change.logits(plain, wave: change.wave(shown)).doubles()
    let found = try answers.logits(
      of: teacher, digest: "teacher", on: task.data.train, in: views, view: 0, normalization,
      through: change, session: session
    ).doubles()
    #expect(zip(viewed, found).allSatisfy { abs($0 - $1) < 1e-3 })
  }

  @Test("An amplitude inside the signal is refused: the option beside it says whether it is served")
  func refused() throws {
    var options = WatermarkOptions.small
    options.coswm.signal.served = 0.1
    #expect(throws: RecipeError.self) { try options.validate(.coswm) }
  }
}
