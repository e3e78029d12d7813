import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkWatermark

@Suite("The distillation attack")
struct RemovalDistillationTests {
  static let short = "epochs=12,batch_size=20,learning_rate=0.1"

  @Test(
    "A fresh student learns the task and loses a directly embedded trigger set, in every variant",
    arguments: [
      "distillation:\(short)", "distillation-half:\(short)", "distillation-half-t1:\(short)",
      "distillation-half-t20:\(short)", "distillation-half-hard:\(short)",
      "distillation-half-disjoint:\(short)", "distillation-half:\(short),ask=plain",
      "distillation-half:\(short),ask=live", "distillation:\(short),alpha=0.7",
    ])
  func losesCarriers(text: String) throws {
    let stolen = try StolenModel.shared.get()
    let (host, student) = (try stolen.model(), try stolen.surrogate(text))
    #expect(try stolen.survival(host) == 1)
    #expect(try stolen.survival(student) < 0.5)
    let isHalf = text.contains("half")
    #expect(try stolen.accuracy(student) > (isHalf ? 0.6 : 0.8))
    #expect(student.architecture.width == (isHalf ? 4 : 8))
  }

  @Test("The student may be of another architecture")
  func otherArchitecture() throws {
    let stolen = try StolenModel.shared.get()
    let student = try stolen.surrogate(
      "distillation-other-architecture:epochs=3,batch_size=32,width=4")
    #expect(student.architecture.family == .resNet18)
    #expect(try stolen.survival(student) < 0.6)
    let options = DistillationOptions(family: "other")
    let resNet = Architecture(.resNet18, width: 16, classes: 10)
    #expect(try options.student(of: resNet, side: 32).family == .vgg16)
    #expect(try options.student(of: resNet, side: 16).family == .smallCNN)
    #expect(try options.student(of: resNet, side: 32).width == 16)
  }

  @Test("No weight of a student is, or equals, a weight of the teacher")
  func fresh() throws {
    let stolen = try StolenModel.shared.get()
    let teacher = try stolen.model()
    let student = try FreshStudent.make(
      teacher.architecture, for: teacher, key: RandomKey(seed: 1), device: .cpu)
    #expect(try FreshStudent.overlap(student, teacher) == [])
    // The check itself finds a copy, and one equal tensor.
    let copy = try teacher.surrogateCopy(on: .cpu)
    #expect(try FreshStudent.overlap(copy, teacher).count > 10)
    #expect(try FreshStudent.overlap(teacher, teacher).count == teacher.state.parameters.count)
    try withoutGradients {
      try student.head.weight.copy(from: teacher.head.weight)
    }
    #expect(try FreshStudent.overlap(student, teacher) == ["fc.weight"])
  }

  @Test("The owner's seed does not give the student the owner's first weights")
  func ownSeed() throws {
    let stolen = try StolenModel.shared.get()
    let first = try Architecture(.smallCNN, width: 8, classes: 10, channels: 1).build(
      key: RandomKey(seed: 1).stream("weights"))
    let student = try FreshStudent.make(
      first.architecture, for: stolen.model(), key: RandomKey(seed: 1), device: .cpu)
    #expect(try FreshStudent.overlap(student, first) == [])
  }

  @Test("A stolen model that has the student's first weights is refused, and the run goes on")
  func twin() throws {
    let architecture = Architecture(.smallCNN, width: 4, classes: 10, channels: 1)
    let twin = try architecture.build(key: RandomKey(seed: 1).stream("removal/student"))
    let error = #expect(throws: RemovalError.self) {
      try FreshStudent.make(architecture, for: twin, key: RandomKey(seed: 1), device: .cpu)
    }
    #expect(error?.summary.contains("conv1.weight") == true, "\(error?.summary ?? "")")
    #expect(error?.category == .failure)
  }

  @Test("The loss is the batch mean of a 2×3 example computed by hand, with and without T²")
  func loss() throws {
    let teacher = try Tensor([Float(1), 2, 3, 0, 0, 1], shape: [2, 3])
    let student = try Tensor([Float(3), 2, 1, 0, 0, 0], shape: [2, 3])
    let labels = try Tensor([2, 0])
    func softmax(_ x: [Double], _ t: Double) -> [Double] {
      let sum = x.reduce(0) { $0 + exp($1 / t) }
      return x.map { exp($0 / t) / sum }
    }
    let pairs = [([1.0, 2, 3], [3.0, 2, 1]), ([0.0, 0, 1], [0.0, 0, 0])]
    func divergence(_ t: Double) -> Double {
      pairs.reduce(0) { sum, pair in
        sum
          + zip(softmax(pair.0, t), softmax(pair.1, t)).reduce(0) { $0 + $1.0 * log($1.0 / $1.1) }
      } / 2
    }
    func cross(_ classes: [Int]) -> Double {
      -(log(softmax([3, 2, 1], 1)[classes[0]]) + log(softmax([0, 0, 0], 1)[classes[1]])) / 2
    }
    func value(_ t: Double, _ alpha: Double, _ squared: Bool, _ hard: Bool) throws -> Double {
      try DistillationLoss(
        temperature: t, alpha: alpha, scalesByTemperature: squared, usesHardLabels: hard
      )(teacher: teacher, student: student, labels: labels).item()
    }
    #expect(abs(try value(4, 1, true, false) - 16 * divergence(4)) < 1e-5)
    #expect(abs(try value(4, 1, false, false) - divergence(4)) < 1e-6)
    #expect(
      abs(try value(2, 0.7, true, false) - (0.7 * 4 * divergence(2) + 0.3 * cross([2, 0]))) < 1e-5)
    // The teacher's most probable classes are 2 and 2.
    #expect(abs(try value(4, 1, true, true) - cross([2, 2])) < 1e-6)
  }

  @Test("Attacks share the teacher's answers: one pass a view, however many students")
  func answersOnce() throws {
    let stolen = try StolenModel.shared.get()
    let environment = stolen.environment
    func run(_ text: String) throws {
      _ = try RemovalRegistry.standard.attack(text, environment: environment).surrogate(
        of: stolen.model(), data: stolen.data, session: TrainingSession(seed: 3))
    }
    try run("distillation:epochs=2,views=2,batch_size=100")
    #expect(environment.answers.passes == 2)
    try run("distillation-half-t20:epochs=5,views=2,batch_size=100")
    try run("distillation-half-hard:epochs=2,views=2,batch_size=100")
    #expect(environment.answers.passes == 2)
    try run("distillation:epochs=2,ask=plain,batch_size=100")
    try run("rtll:epochs=1,batch_size=100")
    #expect(environment.answers.passes == 3)
    try run("distillation:epochs=1,images=other,views=1,batch_size=100")
    #expect(environment.answers.passes == 4)
  }

  @Test(
    "An estimate asks about a sample, whose answers stand for all images, and counts what it omits")
  func sampledAnswers() throws {
    let stolen = try StolenModel.shared.get()
    let images = stolen.data.train
    func answers(_ sampleSize: Int?) throws -> (logits: Tensor, omitted: Double, passes: Int) {
      let answers = TeacherAnswers(key: RandomKey(seed: 1), sampleSize: sampleSize)
      var logits: Tensor?
      for _ in 0..<2 {
        logits = try answers.logits(
          of: stolen.model(), digest: "same", on: images, in: nil, view: 0,
          stolen.data.evaluator.normalization, session: TrainingSession(seed: 3))
      }
      return (try #require(logits), answers.omittedSeconds, answers.passes)
    }
    let (whole, sampled) = (try answers(nil), try answers(20))
    #expect(whole.omitted == 0)
    #expect(try answers(images.count).omitted == 0)
    #expect(sampled.omitted > 0)
    #expect(sampled.passes == 1)
    #expect(sampled.logits.shape == whole.logits.shape)
    let difference = try (sampled.logits - whole.logits).abs().narrow(0, start: 0, length: 20)
    #expect(try difference.max().item() < 1e-4)
    let repeated = try sampled.logits.narrow(0, start: 20, length: 20)
    #expect(try repeated.floats() == sampled.logits.narrow(0, start: 0, length: 20).floats())
  }

  @Test("A thief who changes how images are lit asks about the changed images")
  func changedLight() throws {
    let stolen = try StolenModel.shared.get()
    let environment = stolen.environment
    func student(_ text: String) throws -> ImageClassifier {
      try RemovalRegistry.standard.attack(
        text + "epochs=1,views=1,batch_size=100", environment: environment
      ).surrogate(of: stolen.model(), data: stolen.data, session: TrainingSession(seed: 3))
    }
    let plain = try weightBytes(student("distillation-half:"))
    for (asked, text) in [
      "distillation-half-jitter:", "distillation-half-even:", "distillation-half:even_shading=1,",
    ].enumerated() {
      #expect(try weightBytes(student(text)) != plain, "\(text)")
      #expect(environment.answers.passes == asked + 2, "\(text)")
    }
    #expect(try weightBytes(student("distillation-half:jitter=0,even_shading=0,")) == plain)
    #expect(environment.answers.passes == 4)
  }

  @Test(
    "A student of evened images is asked about evened images; its teacher may see the images as they were"
  )
  func servedEvened() throws {
    let stolen = try StolenModel.shared.get()
    let test = try #require(stolen.data.evaluator.test)
    func served(_ text: String) throws -> String {
      let attack = try #require(try stolen.attack(text) as? any DescribedRemovalAttack)
      return try attack.served(test, data: stolen.data).fingerprint
    }
    let evened = try EvenShading(of: stolen.data.train, order: 2)(test).fingerprint
    #expect(try served("distillation-half-even") == evened)
    #expect(try served("distillation-half-even-original+ftal:epochs=1") == evened)
    for text in ["distillation-half", "prune-0.5"] {
      #expect(try served(text) == test.fingerprint, "\(text)")
    }
    let shared = stolen.environment
    func student(_ text: String) throws -> ImageClassifier {
      try RemovalRegistry.standard.attack(
        text + ":epochs=1,views=1,batch_size=100", environment: shared
      ).surrogate(of: stolen.model(), data: stolen.data, session: TrainingSession(seed: 3))
    }
    _ = try student("distillation-half")
    let original = try weightBytes(student("distillation-half-even-original"))
    // The answers are those that the plain attack asked for.
    #expect(shared.answers.passes == 1)
    #expect(try weightBytes(student("distillation-half-even")) != original)
    #expect(shared.answers.passes == 2)
    #expect(throws: RecipeError.self) {
      try stolen.attack("distillation:even_shading=2,ask_evened=false,ask=live")
    }
  }

  @Test("Images that differ by their coarse shading alone become one; detail stays")
  func evenShading() throws {
    let (height, width) = (12, 16)
    func wave(_ halves: Int, _ position: Int, _ length: Int) -> Double {
      cos(Double(halves) * .pi * (Double(position) + 0.5) / Double(length))
    }
    /// 128, coarse fields of an image's own, and the same detail everywhere: three half waves down.
    func picture(_ light: (flat: Double, down: Double, across: Double, both: Double)) -> [UInt8] {
      (0..<height).flatMap { row in
        (0..<width).map { column in
          let coarse =
            light.flat + light.down * wave(1, row, height) + light.across * wave(2, column, width)
            + light.both * wave(2, row, height) * wave(1, column, width)
          return UInt8((128 + coarse + 20 * wave(3, row, height)).rounded())
        }
      }
    }
    let lights = [(20.0, 10.0, 0.0, 5.0), (-20.0, 0.0, 12.0, -5.0), (6.0, -4.0, 3.0, 9.0)]
    let images = try ImageDataset(
      images: Tensor(lights.flatMap { picture($0) }, shape: [3, 1, height, width]),
      labels: [0, 1, 0], classNames: ["a", "b"])
    let evened = try EvenShading(of: images, order: 2)(images)
    #expect(evened.labels == images.labels)
    let mean = picture((2, 2, 5, 3)).map(Double.init)
    let values = try evened.images.to(.float32).doubles()
    for (index, value) in values.enumerated() {
      #expect(abs(value - mean[index % mean.count]) <= 1.5)
    }
    // Fields with two half waves stay with order 1, and one image alone is its own mean.
    let first = try EvenShading(of: images, order: 1)(images)
    let left = try first.images.to(.float32).doubles()
    #expect(zip(left, values).contains { abs($0 - $1) > 10 })
    let alone = try images.subset([1])
    let same = try EvenShading(of: alone, order: 2)(alone)
    #expect(try same.fingerprint == alone.fingerprint)
    // Others get the same mean, each by itself: what is asked later needs no company.
    let other = try EvenShading(of: images, order: 2)(alone)
    #expect(try other.fingerprint == evened.subset([1]).fingerprint)
  }

  @Test("A kept answer is the teacher's own on the very view that the student sees")
  func sameViews() throws {
    let stolen = try StolenModel.shared.get()
    let (teacher, train) = (try stolen.model(), stolen.data.train)
    let session = try TrainingSession(seed: 3)
    let answers = TeacherAnswers(key: RandomKey(seed: 5))
    let views = try answers.views(
      [.padCrop(PadCrop(padding: 2))], stolen.data.normalization, of: train, count: 2)
    let positions = [250, 3, 77]
    let batch = try train.batch(positions)
    let table = try answers.logits(
      of: teacher, digest: "t", on: train, in: views, view: 1, stolen.data.normalization,
      session: session)
    let input = try views.input(batch.images, indices: positions, view: 1, on: .cpu)
    let direct = try teacher.logits(input, .evaluation).detach().doubles()
    let kept = try table.indexSelect(0, Tensor(positions)).doubles()
    for (a, b) in zip(direct, kept) { #expect(abs(a - b) < 1e-4) }
    let other = try views.input(batch.images, indices: positions, view: 0, on: .cpu)
    #expect(try other.doubles() != input.doubles())
  }

  @Test("Fewer images are a balanced part; other images must be given")
  func images() throws {
    let stolen = try StolenModel.shared.get()
    let training = AttackTraining(epochs: 1, imageShare: 0.2)
    let part = try stolen.environment.images(stolen.data, training, attack: "x")
    #expect(part.count == 60)
    #expect((part.countsPerClass.max() ?? 0) - (part.countsPerClass.min() ?? 0) <= 1)
    #expect(throws: RemovalError.otherImagesMissing(attack: "distillation:images=other")) {
      _ = try RemovalRegistry.standard.attack("distillation:images=other").surrogate(
        of: stolen.model(), data: stolen.data, session: TrainingSession(seed: 0))
    }
  }

  @Test("Disjoint images hold none of the owner's, and no carrier")
  func disjoint() throws {
    let stolen = try StolenModel.shared.get()
    let mixed = try ImageDataset(
      images: Tensor.cat([
        stolen.others.images, stolen.carriers.images,
        stolen.data.train.images.narrow(0, start: 5, length: 2),
      ]),
      labels: stolen.others.labels + stolen.carriers.labels + [0, 0],
      classNames: stolen.others.classNames)
    let (clean, removed) = try mixed.without([stolen.data.train, stolen.carriers])
    #expect(removed == 26)
    #expect(try clean.fingerprint == stolen.others.fingerprint)
    #expect(throws: RemovalError.self) { try stolen.others.without([stolen.others]) }
  }
}
