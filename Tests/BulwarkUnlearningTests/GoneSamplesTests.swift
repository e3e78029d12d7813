import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkUnlearning

@Suite("Samples that are gone already")
struct GoneSamplesTests {
  private static let gone = Array(stride(from: 1, to: 200, by: 20))

  @Test("are neither forgotten nor retained, and change the digest")
  func sets() throws {
    let plain = try ForgetSet([4, 1], of: 6, origin: "list")
    let set = try ForgetSet([4, 1], of: 6, gone: [5, 0, 4, 5], origin: "list")
    #expect(set.forget == [1, 4] && set.retain == [2, 3] && set.gone == [0, 5])
    #expect(set.total == 6 && set.allForgotten == [0, 1, 4, 5])
    #expect(set.digest != plain.digest && !set.namesSame(as: plain))
    #expect(try plain.with(gone: []).digest == plain.digest)
    #expect(try plain.with(gone: [0, 5]) == set)
    #expect(throws: UnlearningError.everything(origin: "list")) {
      try ForgetSet([4, 1], of: 6, gone: [0, 2, 3, 5], origin: "list")
    }
    #expect(throws: UnlearningError.self) { try ForgetSet([1], of: 6, gone: [6], origin: "list") }
  }

  @Test("are not drawn by a random share; a list or a class may name them again")
  func targets() throws {
    let victim = try Victim.shared.get()
    let set = try ForgetTarget.fraction(0.5, of: nil, seed: 1)
      .resolved(in: victim.train, gone: Self.gone)
    #expect(set.forget.count == 95 && set.gone == Self.gone && set.retain.count == 95)
    #expect(Set(set.forget).isDisjoint(with: Self.gone))
    let named = try ForgetTarget.positions([0, 1, 2], origin: "list")
      .resolved(in: victim.train, gone: Self.gone)
    #expect(named.forget == [0, 1, 2] && named.gone == Array(Self.gone.dropFirst()))
  }

  /// Bytes of what a method, or Retrain, makes of the data when `Self.gone` are gone.
  private func outcome(
    _ method: UnlearningMethod, _ victim: Victim, on train: ImageDataset
  ) throws -> [String: [UInt8]] {
    let forget = try victim.input().forgetSet.forget
    let input = UnlearningInput(
      train: train,
      forgetSet: try ForgetSet(forget, of: train.count, gone: Self.gone, origin: "test"),
      normalization: victim.normalization)
    guard method.startsFromCheckpoint else {
      var options = SupervisedOptions()
      options.epochs = 1
      let run = try Retraining(
        Architecture(.smallCNN, width: 4, classes: 10, channels: 1), options: options, input: input,
        session: TrainingSession(seed: 4))
      try run.run()
      return try bytes(run.model)
    }
    let run = try Unlearner(
      method, options: .small, mask: MaskOptions(batchSize: 10), original: victim.original,
      originalDigest: "sha256:0", input: input, session: TrainingSession(seed: 4))
    try run.run()
    return try bytes(run.model)
  }

  @Test(
    "are shown to the model by no method: its weights do not depend on them",
    arguments: UnlearningMethod.allCases)
  func unseen(method: UnlearningMethod) throws {
    let victim = try Victim.shared.get()
    let (train, gone) = (victim.train, Set(Self.gone))
    func changed(_ positions: Set<Int>) throws -> ImageDataset {
      let rows = try train.labels.indices.map { index in
        let image = try train.images.narrow(0, start: index, length: 1)
        return positions.contains(index) ? try Tensor.zeros(image.shape, dtype: .uint8) : image
      }
      return try ImageDataset(
        images: Tensor.cat(rows),
        labels: train.labels.enumerated().map { positions.contains($0) ? ($1 + 1) % 10 : $1 },
        classNames: train.classNames)
    }
    let expected = try outcome(method, victim, on: train)
    #expect(try outcome(method, victim, on: changed(gone)) == expected)
    // The check can fail: retained samples count, but for methods that look at the forget set alone.
    guard ![.ga, .be, .bs].contains(method) else { return }
    let retained = Set(train.labels.indices.filter { $0 % 8 != 0 && !gone.contains($0) })
    #expect(try outcome(method, victim, on: changed(retained)) != expected)
  }

  @Test("are those of all unlearning before, as the checkpoint tells, where the data are the same")
  func chains() throws {
    let victim = try Victim.shared.get()
    func unlearned(_ original: Checkpoint, _ positions: [Int], gone: [Int]) throws -> Checkpoint {
      let input = UnlearningInput(
        train: victim.train,
        forgetSet: try ForgetSet(positions, of: 200, gone: gone, origin: "test"),
        normalization: victim.normalization)
      let run = try Unlearner(
        .ft, options: .small, original: original, originalDigest: "sha256:0", input: input,
        session: TrainingSession(seed: 4))
      try run.run()
      return try run.snapshot()
    }
    #expect(try Unlearner.forgotten(by: victim.original, of: victim.train) == [])
    let first = try unlearned(victim.original, [3, 7], gone: [])
    let known = try #require(try Unlearner.forgotten(by: first, of: victim.train))
    #expect(known == [3, 7])
    let second = try unlearned(first, [5], gone: known)
    #expect(try Unlearner.forgotten(by: second, of: victim.train) == [3, 5, 7])
    #expect(try Unlearner.forgotten(by: second, of: victim.train.subset(Array(0..<50))) == nil)
  }
}
