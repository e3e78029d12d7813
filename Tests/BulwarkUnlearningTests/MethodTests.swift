import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkUnlearning

@Suite("Every unlearning method")
struct MethodTests {
  static let all = UnlearningMethod.allCases.filter(\.startsFromCheckpoint)
  static let stepwise = all.filter { ![.iu, .ssd].contains($0) }

  @Test("changes the model, and gives the same bytes for the same seed", arguments: all)
  func deterministic(method: UnlearningMethod) throws {
    let victim = try Victim.shared.get()
    let first = try victim.unlearner(method)
    let before = try bytes(first.model)
    try first.run()
    #expect(try bytes(first.model) != before)
    let second = try victim.unlearner(method)
    try second.run()
    #expect(try bytes(second.model) == bytes(first.model))
    #expect(first.stage == .done)
  }

  @Test("leaves every weight outside a mask where it was", arguments: all)
  func masked(method: UnlearningMethod) throws {
    let victim = try Victim.shared.get()
    let run = try victim.unlearner(
      method, mask: MaskOptions(kind: .saliency, ratio: 0.3, batchSize: 10))
    try run.run()
    let mask = try #require(run.mask)
    #expect(try mask.count() == Int(Double(run.model.state.parameterCount) * 0.3))
    let after = try weights(run.model)
    #expect(try mask.largestMovementOutside(from: victim.original.weights, to: after) == 0)
    #expect(
      try mask.inverted().largestMovementOutside(from: victim.original.weights, to: after) > 0)
  }

  @Test("stopped at any step and resumed ends with the same bytes", arguments: stepwise)
  func resumes(method: UnlearningMethod) throws {
    let victim = try Victim.shared.get()
    let mask = MaskOptions(kind: .saliency, batchSize: 10)
    let whole = try victim.unlearner(method, mask: mask)
    try whole.run()
    let expected = try whole.snapshot()
    for stopAt in [1, 2, 4] {
      let (stop, saved) = try interrupted(at: stopAt) {
        try victim.unlearner(method, mask: mask, session: $0)
      }
      #expect(stop.stage == method.rawValue)
      #expect(stop.step == stopAt)
      let path = try temporaryFile("run.h5")
      try saved.write(to: path)
      let resumed = try victim.unlearner(method, mask: mask)
      try resumed.restore(Checkpoint(reading: path))
      #expect(resumed.step == stopAt)
      try resumed.run()
      let (a, b) = (try temporaryFile("a.h5"), try temporaryFile("b.h5"))
      try expected.write(to: a)
      try resumed.snapshot().write(to: b)
      #expect(try Checkpoint.inspectSummary(a).digest == Checkpoint.inspectSummary(b).digest)
    }
  }

  @Test("keeps what the original checkpoint held, and says what was forgotten")
  func keepsEverything() throws {
    let victim = try Victim.shared.get()
    var original = victim.original
    original.recipe = "command: train\n"
    original.notes = ["origin": "a test"]
    original.indexSets["poisoned"] = [3, 5]
    original.states["average"] = StateDict([("w", try Tensor([Float(3)]))])
    let run = try Unlearner(
      .ft, options: .small, original: original, originalDigest: "sha256:1", input: victim.input(),
      session: TrainingSession(seed: 0))
    try run.run()
    let checkpoint = try run.snapshot()
    #expect(checkpoint.indexSets["poisoned"] == [3, 5])
    #expect(checkpoint.indexSets["forget"] == (try victim.input().forgetSet.forget))
    #expect(checkpoint.classNames == original.classNames)
    #expect(checkpoint.normalization == original.normalization)
    #expect(try checkpoint.states["average"]?["w"]?.item() == 3)
    let notes = checkpoint.notes["unlearning"]
    #expect(notes?["original_notes"] == ["origin": "a test"])
    #expect(notes?["original_recipe"] == "command: train\n")
    #expect(notes?["run"]?["original"] == "sha256:1")
    let names = Set(checkpoint.history.map(\.name))
    #expect(names.isSuperset(of: original.history.map(\.name)))
    #expect(names.contains("unlearn/train_loss"))
  }

  @Test(
    "leaves no tensor in the finished checkpoint that only further steps would need",
    arguments: [UnlearningMethod.salunSoft, .be])
  func finished(method: UnlearningMethod) throws {
    let victim = try Victim.shared.get()
    var options = UnlearningOptions.small
    options.salunSoft.reference = .original
    var saved: [Checkpoint] = []
    let run = try victim.unlearner(
      method, options: options,
      session: TrainingSession(seed: 4, checkpointInterval: 0, save: { saved.append($0) }))
    try run.run()
    let owners: Set<String> = ["soft_reference", "extra_output"]
    let last = try #require(saved.last)
    let before = saved.dropLast()
    #expect(!before.isEmpty && before.allSatisfy { !owners.isDisjoint(with: $0.states.keys) })
    #expect(last.progress.stage == "done" && owners.isDisjoint(with: last.states.keys))
    let again = try victim.unlearner(method, options: options)
    try again.restore(last)
    #expect(try bytes(again.model) == bytes(run.model))
  }

  @Test("keeps the fingerprint of the original's data, and adds that of the data it was given")
  func givenData() throws {
    let victim = try Victim.shared.get()
    var original = victim.original
    original.fingerprints["train"] = "of other data"
    func unlearner(_ train: ImageDataset) throws -> Unlearner {
      let task = try victim.input()
      return try Unlearner(
        .ft, options: .small, original: original, originalDigest: "sha256:1",
        input: UnlearningInput(
          train: train, forgetSet: task.forgetSet, normalization: task.normalization),
        session: TrainingSession(seed: 0))
    }
    let checkpoint = try unlearner(victim.train).snapshot()
    #expect(checkpoint.fingerprints["train"] == "of other data")
    #expect(checkpoint.fingerprints["unlearn_data"] == (try victim.train.fingerprint))
    #expect(throws: Never.self) { try unlearner(victim.train).restore(checkpoint) }
    let relabeled = try victim.train.relabeled(victim.train.labels.map { 9 - $0 })
    #expect(throws: CheckpointUseError.otherRun("its training data have another fingerprint")) {
      try unlearner(relabeled).restore(checkpoint)
    }
    original.fingerprints["train"] = nil
    let known = try unlearner(victim.train).snapshot().fingerprints["train"]
    #expect(known == (try victim.train.fingerprint))
  }

  @Test("refuses a checkpoint of another seed, method, setting or forget set")
  func otherRun() throws {
    let victim = try Victim.shared.get()
    let checkpoint = try victim.unlearner(.salun).snapshot()
    var changed = UnlearningOptions.small
    changed.salun.scheme = .sequential
    let others: [(Unlearner, String)] = [
      (try victim.unlearner(.salun, session: TrainingSession(seed: 9)), "its seed is 4"),
      (try victim.unlearner(.rl), "its method differs"),
      (try victim.unlearner(.salun, options: changed), "its settings differs"),
      (
        try victim.unlearner(.salun, mask: MaskOptions(ratio: 0.2, batchSize: 10)),
        "its mask differs"
      ),
    ]
    for (other, difference) in others {
      #expect(throws: CheckpointUseError.otherRun(difference)) { try other.restore(checkpoint) }
    }
  }

  @Test("refuses training data of another fingerprint")
  func otherData() throws {
    let victim = try Victim.shared.get()
    #expect(throws: Never.self) { try Unlearner.check(victim.original, trainedOn: victim.train) }
    let error = #expect(throws: UnlearningError.self) {
      try Unlearner.check(victim.original, trainedOn: victim.test)
    }
    #expect(
      error
        == .differentData(
          expected: try victim.train.fingerprint, found: try victim.test.fingerprint))
  }

  @Test("reports a diverged run instead of writing it")
  func diverges() throws {
    let victim = try Victim.shared.get()
    var options = UnlearningOptions.small
    options.ga.training.learningRate = 1e12
    options.ga.training.epochs = 20
    let run = try victim.unlearner(.ga, options: options)
    #expect(throws: UnlearningError.self) { try run.run() }
  }
}

@Suite("Random labeling")
struct RandomLabelingTests {
  private func labeling(
    excluding: Bool, scheme: RandomLabelingOptions.Scheme,
    labelDraw: RandomLabelingOptions.LabelDraw = .scheme
  ) throws -> (RandomLabeling, UnlearningContext) {
    let victim = try Victim.shared.get()
    let model = try ImageClassifier.restored(from: victim.original)
    let context = UnlearningContext(
      model: model, original: victim.original.weights, input: try victim.input(),
      session: try TrainingSession(seed: 0), mask: nil)
    let options = RandomLabelingOptions(
      training: FineTuningOptions(epochs: 1, batchSize: 20), scheme: scheme,
      excludesGivenLabel: excluding, labelDraw: labelDraw)
    return (try RandomLabeling(context, options), context)
  }

  @Test("Labels are uniform over all classes, or over all but the given one")
  func labels() throws {
    for excluding in [false, true] {
      let (labeling, context) = try labeling(excluding: excluding, scheme: .joint)
      var counts = [Int](repeating: 0, count: 10)
      var same = 0
      let indices = Array(0..<200)
      for draw in 0..<50 {
        let drawn = labeling.randomLabels(for: indices, key: RandomKey(seed: 1).step(draw))
        for (index, label) in zip(indices, drawn) {
          counts[label] += 1
          if label == context.train.labels[index] { same += 1 }
        }
      }
      // 10,000 draws: 1,000 a class, standard deviation 30.
      #expect(counts.allSatisfy { abs($0 - 1000) < 150 })
      #expect(excluding ? same == 0 : abs(same - 1000) < 150)
    }
  }

  @Test("Labels change from epoch to epoch, or are drawn once; only those of the forget set do")
  func draws() throws {
    for (draw, changes) in [(RandomLabelingOptions.LabelDraw.scheme, true), (.once, false)] {
      let (labeling, context) = try labeling(excluding: false, scheme: .joint, labelDraw: draw)
      let (first, second) = (labeling.epochLabels(0), labeling.epochLabels(1))
      #expect((first != second) == changes)
      for labels in [first, second] {
        #expect(context.retain.allSatisfy { labels[$0] == context.train.labels[$0] })
        #expect(context.forget.contains { labels[$0] != context.train.labels[$0] })
      }
    }
  }

  @Test("The joint scheme has ceil(N / B) steps an epoch, the sequential one those of both sets")
  func steps() throws {
    #expect(try labeling(excluding: false, scheme: .joint).0.stepsPerEpoch == 10)
    // 25 to forget and 175 to keep, in batches of 20.
    #expect(try labeling(excluding: false, scheme: .sequential).0.stepsPerEpoch == 2 + 9)
  }
}
