import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkWatermark

@Suite("Removal by fine-tuning")
struct RemovalFineTuningTests {
  /// Names of the tensors that differ from the stolen model's.
  private func changed(_ text: String) throws -> Set<String> {
    let stolen = try StolenModel.shared.get()
    let before = try weightBytes(stolen.model())
    let after = try weightBytes(stolen.surrogate(text))
    return Set(before.keys.filter { before[$0] != after[$0] })
  }

  @Test("FTLL and RTLL change the last layer and nothing else", arguments: ["ftll", "rtll"])
  func lastLayer(form: String) throws {
    #expect(try changed("\(form):epochs=1,batch_size=50") == ["fc.weight", "fc.bias"])
  }

  @Test("FTAL and RTAL change every weight", arguments: ["ftal", "rtal"])
  func allLayers(form: String) throws {
    let names = Set(try StolenModel.shared.get().model().state.entries.map(\.name))
    #expect(try changed("\(form):epochs=1,batch_size=50") == names)
  }

  @Test("RT* starts the last layer anew, FT* does not")
  func reset() throws {
    let stolen = try StolenModel.shared.get()
    func head(_ text: String) throws -> [Double] {
      try stolen.surrogate(text).head.weight.detach().doubles()
    }
    let own = try stolen.model().head.weight.detach().doubles()
    #expect(try head("ftll:epochs=0") == own)
    let fresh = try head("rtll:epochs=0")
    #expect(zip(fresh, own).allSatisfy { $0 != $1 })
    let bound = 1 / Double(own.count / 10).squareRoot()
    #expect(fresh.allSatisfy { abs($0) <= bound })
    // No epoch was trained: the new layer knows nothing; ten epochs bring the task back.
    #expect(try stolen.accuracy(stolen.surrogate("rtll:epochs=0")) < 0.4)
    let trained = try stolen.surrogate("rtll:batch_size=16,learning_rate=0.05")
    #expect(try stolen.accuracy(trained) > 0.8)
  }

  @Test("RT* learns what the stolen model says, FT* what the labels say")
  func labels() throws {
    let stolen = try StolenModel.shared.get()
    let wrong = try stolen.data.train.relabeled(stolen.data.train.labels.map { ($0 + 1) % 10 })
    let data = TrainingData(train: wrong, evaluator: stolen.data.evaluator)
    func accuracy(_ text: String) throws -> Double {
      try stolen.accuracy(
        stolen.attack(text).surrogate(
          of: stolen.model(), data: data, session: TrainingSession(seed: 3)))
    }
    let settings = "epochs=8,batch_size=16,learning_rate=0.02"
    #expect(try accuracy("rtal:\(settings)") > 0.8)
    #expect(try accuracy("rtal:\(settings),labels=given") < 0.3)
    #expect(try accuracy("ftal:\(settings)") < 0.3)
  }

  @Test("Fine-tuning keeps the task, and a longer and larger one takes more of the mark")
  func strong() throws {
    let stolen = try StolenModel.shared.get()
    let mild = try stolen.surrogate("ftal:epochs=1")
    #expect(try stolen.survival(mild) > 0.9)
    let strong = try stolen.surrogate("ft_strong:epochs=10,batch_size=16,image_share=1")
    #expect(try stolen.survival(strong) < stolen.survival(mild))
    #expect(try stolen.accuracy(strong) > 0.8)
  }

  @Test("The presets have the settings of their sources")
  func settings() {
    let strong = FineTuningAttackOptions.strong.training
    #expect((strong.epochs, strong.learningRate, strong.imageShare) == (30, 0.05, 0.2))
    let schedule = strong.resolvedSchedule
    #expect([0, 4.9, 5, 14, 29.9].map(schedule.factor) == [1, 1, 0.5, 0.25, 1 / 32])
    #expect(FineTuningAttackOptions.rtll.training.epochs == 10)
    for options in [FineTuningAttackOptions.ftll, .ftal, .rtal, .labelSmoothing, .l2] {
      #expect(options.training.epochs == 5)
      #expect(options.training.batchSize == 64)
    }
    #expect(FineTuningAttackOptions.labelSmoothing.smoothing == 0.3)
    let fifths = AttackTraining(epochs: 60, schedule: .fifths).resolvedSchedule
    for (epoch, share) in [(19.9, 1), (20, 0.2), (35, 0.04), (50, 0.008)] {
      #expect(abs(fifths.factor(at: epoch) - share) < 1e-9)
    }
  }

  @Test("Label smoothing makes answers less certain, an L2 penalty makes weights smaller")
  func regularized() throws {
    let stolen = try StolenModel.shared.get()
    let session = try TrainingSession(seed: 0)
    func certainty(_ text: String) throws -> Double {
      try stolen.surrogate(text).logits(
        of: stolen.data.train, stolen.data.normalization, session: session
      ).softmax(1).max([1]).mean().item()
    }
    let settings = "epochs=3,batch_size=20,learning_rate=0.02"
    #expect(
      try certainty("label_smoothing:\(settings)") < certainty("ftal:\(settings)") - 0.05)
    func norm(_ text: String) throws -> Double {
      try stolen.surrogate(text).weightTensors.reduce(0) {
        try $0 + $1.detach().square().sum().item()
      }
    }
    #expect(try norm("l2:\(settings)") < 0.7 * norm("ftal:\(settings)"))
  }

  @Test(
    "Adversarial images stay in the ball, raise the loss, and training on them helps against them")
  func adversarial() throws {
    let stolen = try StolenModel.shared.get()
    let session = try TrainingSession(seed: 0)
    let options = AdversarialFineTuningOptions(epsilon: 0.1, stepSize: 0.03, iterations: 5)
    let attack = try AdversarialFineTuning(options)
    let test = try #require(stolen.data.evaluator.test)
    let image = try ImageDataset.unitRange(test.images)
    let labels = try Tensor(test.labels)
    /// Share of perturbed test images that a model answers rightly.
    func robustness(_ model: ImageClassifier) throws -> Double {
      let moved = try attack.perturbed(
        image, labels, model, stolen.data.normalization, session)
      #expect(try (moved - image).abs().max().item() <= 0.1 + 1e-6)
      #expect(try moved.min().item() >= 0 && moved.max().item() <= 1)
      let answers = try model.logits(stolen.data.normalization.apply(moved), .evaluation)
      return Double(zip(try answers.argmax(1).integers(), test.labels).count { $0 == $1 })
        / Double(test.count)
    }
    let before = try robustness(stolen.model())
    #expect(before < (try stolen.accuracy(stolen.model())) - 0.2)
    let trained = try stolen.surrogate(
      "adversarial:epochs=4,batch_size=20,learning_rate=0.02,epsilon=0.1,step_size=0.03,"
        + "iterations=5,moved_share=1")
    #expect(try robustness(trained) > before + 0.1)
    // 0.4 of seven, rounded up: three images move, the others keep every bit.
    let part = try AdversarialFineTuning(
      AdversarialFineTuningOptions(stepSize: 0.03, iterations: 1, movedShare: 0.4))
    let seven = try image.narrow(0, start: 0, length: 7)
    let mixed = try part.mixed(
      seven, labels.narrow(0, start: 0, length: 7), stolen.model(), stolen.data.normalization,
      session)
    let distances = try (mixed - seven).abs().reshape([7, -1]).sum([1]).doubles()
    #expect(distances.prefix(3).allSatisfy { $0 > 0 } && distances.suffix(4).allSatisfy { $0 == 0 })
  }

  @Test("Fine-pruning cuts the idlest channels off and keeps them off while it trains")
  func finePruning() throws {
    let stolen = try StolenModel.shared.get()
    let session = try TrainingSession(seed: 0)
    let model = try stolen.model()
    let input = try stolen.data.normalization.prepare(stolen.data.train.images, on: .cpu)
    let activation = try withoutGradients {
      try session.inPrecision { try model.features(input, .evaluation) }.mean([0]).doubles()
    }
    let idle = Set(activation.indices.sorted { activation[$0] < activation[$1] }.prefix(19))
    let surrogate = try stolen.surrogate(
      "fine_pruning:share=0.6,epochs=3,batch_size=20,learning_rate=0.01")
    let weight = try surrogate.head.weight.detach().abs().sum([0]).doubles()
    #expect(weight.count == 32)
    // floor(32 · 0.6) = 19 of 32 channels.
    #expect(Set(weight.indices.filter { weight[$0] == 0 }) == idle)
    #expect(try stolen.accuracy(surrogate) > 0.7)
  }
}
