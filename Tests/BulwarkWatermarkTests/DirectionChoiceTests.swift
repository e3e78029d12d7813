import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkWatermark

@Suite("The choice of a key's directions")
struct DirectionChoiceTests {
  private let rule = DirectionRule(candidates: 12, reach: 2)

  /// Chooses with a network that answers every image alike and for which the places that are given are ahead of all
  /// other labels by their margins; whatever else it is asked about it takes for class 9, far ahead.
  private func choice(_ key: WatermarkKey, _ margins: [LabeledDirection: Double]) throws
    -> DirectionChoice
  {
    var first = 0
    return try DirectionChoice(key, groups: 2, rule) { pictures in
      // Thirty-two images a direction, or as many as the key has.
      let each = min(DirectionChoice.imageCount, try #require(key.material).labels.count)
      let rows = (0..<pictures.shape[0]).flatMap { row -> [Float] in
        var logits = [Float](repeating: 0, count: 10)
        logits[9] = 100
        for (place, margin) in margins where place.direction == first + row / each {
          logits[place.label] = Float(100 + margin)
        }
        return logits
      }
      first += pictures.shape[0] / each
      return try Tensor(rows, shape: [pictures.shape[0], 10])
    }
  }

  private func place(_ direction: Int, _ label: Int) -> LabeledDirection {
    LabeledDirection(direction: direction, label: label)
  }

  @Test("Labels close behind the first answer are taken, not those that come first or lack much")
  func near() throws {
    let key = try TinyTask.shared.get().key(.tilted, .small)
    let chosen = try choice(
      key,
      [
        place(0, 1): 2.5, place(1, 2): 5, place(2, 3): -3, place(11, 4): -1.9, place(5, 6): -1.8,
      ]
    ).chosen
    #expect(Set(chosen.map(\.place)) == [place(11, 4), place(5, 6)])
    #expect(chosen.allSatisfy { $0.reached == 1 && $0.natural == 0 })
  }

  @Test("Of many directions, those that look best on a few images are looked at again on more")
  func screened() throws {
    let key = try TinyTask.shared.get().key(.tilted, .small)
    let total = 40
    var asked: [Int] = []
    // On a few images direction 30 looks best; on all it comes by itself, and 33 is best.
    let chosen = try DirectionChoice(
      key, groups: 1, DirectionRule(candidates: total, reach: 2)
    ) { pictures in
      let isFirst = asked.reduce(0, +) < total * DirectionChoice.firstImages
      let each = isFirst ? DirectionChoice.firstImages : DirectionChoice.imageCount
      let before = (asked.reduce(0, +) - (isFirst ? 0 : total * DirectionChoice.firstImages)) / each
      asked.append(pictures.shape[0])
      var rows: [Float] = []
      for row in 0..<pictures.shape[0] {
        var logits = [Float](repeating: 0, count: 10)
        logits[9] = 100
        let direction = before + row / each
        if isFirst, [30, 33].contains(direction) { logits[4] = 99 }
        // Directions 0 to 9 fill up the finalists.
        if !isFirst { logits[4] = [10: 103, 11: 99][direction] ?? 0 }
        rows += logits
      }
      return try Tensor(rows, shape: [pictures.shape[0], 10])
    }.chosen
    #expect(asked.reduce(0, +) == total * 8 + 12 * 32)
    #expect(chosen.map(\.place) == [place(33, 4)])
  }

  @Test("Groups have directions and labels of their own, and of equals the first are taken")
  func different() throws {
    let key = try TinyTask.shared.get().key(.tilted, .small)
    let near = [place(3, 4), place(3, 5), place(7, 4), place(7, 5), place(8, 6)]
    let chosen = try choice(key, Dictionary(uniqueKeysWithValues: near.map { ($0, -1.0) })).chosen
    #expect(chosen.map(\.place) == [place(3, 4), place(7, 5)])
  }

  @Test("Where no label is within reach, one far behind is better than one that comes by itself")
  func natural() throws {
    let key = try TinyTask.shared.get().key(.tilted, .small)
    let chosen = try choice(key, [place(0, 1): 3]).chosen
    #expect(!chosen.map(\.place).contains(place(0, 1)))
    #expect(chosen.allSatisfy { $0.reached == 0 })
  }

  @Test("A task of almost one class alone leaves every label an image that is not its own")
  func unbalanced() throws {
    let count = 300
    let set = try ImageDataset(
      images: RandomKey(seed: 3).integers([count, 1, 8, 8], below: 256).to(.uint8),
      labels: (0..<count).map { $0 < 297 ? 0 : 1 + $0 % 2 }, classNames: ["a", "b", "c"])
    for index in 0..<8 {
      let key = try WatermarkKey(
        secret: .published("unbalanced", index), owner: "owner",
        mark: MarkDescription(scheme: .tilted, carriers: CarrierOptions(family: .shading)),
        train: set)
      let chosen = try DirectionChoice(key, groups: 3, DirectionRule()) {
        try Tensor.zeros([$0.shape[0], 3])
      }.chosen
      #expect(Set(chosen.map(\.place.label)) == [0, 1, 2])
    }
  }

  @Test("A chosen key is drawn from the same images, has other carriers and another commitment")
  func key() throws {
    let task = try TinyTask.shared.get()
    let key = try task.key(.tilted, .small)
    let groups = try #require(key.mark.carriers).groups
    let last = CarrierPlan.usualCandidates
    #expect(TiltedOptions().candidates == last)
    let chosen = try key.choosing((0..<groups).map { place(last - 1 - $0, $0) })
    #expect(try chosen.isDrawn(from: task.data.train))
    // Later directions than every owner looks at were chosen for reasons of their own.
    let beyond = try key.choosing((0..<groups).map { place(last - $0, $0) })
    #expect(try beyond.choosesByOwnRule && !beyond.isDrawn(from: task.data.train))
    // Foreign keys that choose by a rule of the owner's making need not be as good as his.
    for rule in [DirectionRule(candidates: 1), DirectionRule(reach: 100)] {
      let own = try key.choosing((0..<groups).map { place(last - 1 - $0, $0) }, by: rule)
      #expect(try own.choosesByOwnRule && !own.isDrawn(from: task.data.train))
    }
    let before = try #require(try key.carriers())
    let after = try #require(try chosen.carriers())
    #expect(try before.images.bytes() != after.images.bytes())
    let shaded = try #require(after.kinds.first).places
    #expect(after.labels[shaded].elementsEqual(after.groups[shaded]))
    let digest = SHA256Digest(of: "model")
    #expect(try key.sealed(digest).commitment() != chosen.sealed(digest).commitment())
    // The owner's choice is no other owner's.
    #expect(try chosen.foreign(0, material: task.data.train).mark == key.mark)
    #expect(throws: RecipeError.self) {
      try key.choosing([place(0, 0)] + (0..<groups).map { place($0, $0) })
    }
    #expect(throws: RecipeError.self) {
      try key.choosing((0..<groups).map { place(CarrierPlan.mostCandidates + $0, $0) })
    }
    #expect(throws: RecipeError.self) {
      try key.choosing((0..<groups).map { place(1, $0) }).carriers()
    }
    #expect(throws: RecipeError.self) {
      try key.choosing((0..<groups).map { place($0, 1) }).carriers()
    }
    #expect(throws: RecipeError.self) {
      try key.choosing((0..<groups).map { place($0, 10 + $0) }).carriers()
    }
  }

  @Test("Foreign keys choose as the owner did, once: a second run reads what the first one kept")
  func foreignKeys() throws {
    let task = try TinyTask.shared.get()
    let key = try task.key(.tilted, .small)
    let groups = try #require(key.mark.carriers).groups
    let owner = try key.choosing((0..<groups).map { place($0, $0) })
    let folder = try ScratchFolder()
    let session = try TrainingSession(seed: 0)
    func keys(_ seed: UInt64) throws -> ForeignKeys {
      let model = try task.architecture.build(key: RandomKey(seed: seed))
      return try ForeignKeys(
        of: owner, material: task.data.train,
        choosing: ChoosingModel(model, normalization: task.data.normalization, session: session),
        folder: folder.path)
    }
    let model = try task.architecture.build(key: RandomKey(seed: 1))
    let drawn = try owner.foreign(1, material: task.data.train)
    let expected = try ForeignKeys.choice(
      of: drawn, ChoosingModel(model, normalization: task.data.normalization, session: session))
    var first: ForeignKeys? = try keys(1)
    let found = try #require(try first?.key(1).mark.carriers?.chosen)
    #expect(found == expected)
    #expect(found.allSatisfy { $0.direction < CarrierPlan.usualCandidates })
    #expect(try first?.key(0).secret == owner.secret.foreign(0))
    first = nil
    let kept = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(kept.count == 1)
    // What is kept is read and not made again.
    let file = folder.path + "/" + kept[0]
    let text = try String(contentsOfFile: file, encoding: .utf8)
    let other = (0..<groups).map { place(9 - $0, $0) }
    try JSONValue.text(of: [other, other]).write(toFile: file, atomically: true, encoding: .utf8)
    #expect(try keys(1).key(1).mark.carriers?.chosen == other)
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    #expect(try keys(1).key(1).mark.carriers?.chosen == expected)
    // Another model's choices have a file of their own.
    _ = try keys(2).key(0)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 2)
  }

  @Test("Foreign keys follow the rule that the owner's key states, and stop where that is asked")
  func foreignRule() throws {
    let task = try TinyTask.shared.get()
    let key = try task.key(.tilted, .small)
    let groups = try #require(key.mark.carriers).groups
    let rule = DirectionRule(candidates: 5, reach: 0.1)
    let owner = try key.choosing((0..<groups).map { place($0, $0) }, by: rule)
    let model = try task.architecture.build(key: RandomKey(seed: 1))
    func chooser(stops: Bool) throws -> ChoosingModel {
      ChoosingModel(
        model, normalization: task.data.normalization,
        session: try TrainingSession(seed: 0, stopRequested: { stops }))
    }
    let foreign = try ForeignKeys(
      of: owner, material: task.data.train, choosing: chooser(stops: false))
    for index in 0..<4 {
      let found = try #require(try foreign.key(index).mark.carriers)
      #expect(found.rule == rule)
      #expect(found.chosen?.allSatisfy { $0.direction < 5 } == true)
      #expect(
        try found.chosen
          == ForeignKeys.choice(of: foreign.key(index).choosing(nil), chooser(stops: false), rule))
    }
    #expect(throws: TrainingInterrupted.self) {
      try ForeignKeys(of: owner, material: task.data.train, choosing: chooser(stops: true)).key(0)
    }
  }

  @Test("The model that chooses is one more null model, for any draw, and trained once")
  func choosingModel() throws {
    let task = try TinyTask.shared.get()
    let folder = try ScratchFolder()
    let session = try TrainingSession(seed: 0)
    func population(_ draw: UInt64) -> NullPopulation {
      NullPopulation(
        task.architecture, data: task.data, training: task.training(epochs: 1),
        augmentation: task.augmentation, count: 1, draw: draw, folder: folder.path)
    }
    let first = try population(.max).choosingModel(session).weightDigest()
    #expect(try population(.max).choosingModel(session).weightDigest() == first)
    #expect(try population(.max).models(session)[0].weightDigest() != first)
    #expect(try population(0).choosingModel(session).weightDigest() != first)
    // A network like the owner's chooses, whatever the null models are.
    let key = try task.key(.tilted, .small)
    var wide = task.architecture
    wide.width += 2
    #expect(population(0).choosing(for: key).architecture == task.architecture)
    let sealed = key.sealed(SHA256Digest(of: "model"), architecture: wide)
    #expect(population(0).choosing(for: sealed).architecture == wide)
  }

  @Test("A verifier and a query set refuse foreign keys that are drawn where the owner chose")
  func verifier() throws {
    let task = try TinyTask.shared.get()
    let key = try task.key(.tilted, .small)
    let groups = try #require(key.mark.carriers).groups
    let owner = try key.choosing((0..<groups).map { place($0, $0) })
    #expect {
      try WatermarkVerifier(
        owner, published: nil, nulls: [], data: task.data, session: TrainingSession(seed: 0))
    } throws: {
      ($0 as? WatermarkError)?.summary.contains("so must those of foreign keys be") == true
    }
    #expect {
      try QuerySet(owner, data: task.data)
    } throws: {
      ($0 as? WatermarkError)?.summary.contains("so must those of foreign keys be") == true
    }
  }

  @Test("A run that stops after the choice goes on with it, whatever it would choose now")
  func resumed() throws {
    let task = try TinyTask.shared.get()
    let trainer = try task.trainer(.tilted, .small, epochs: 1, session: TrainingSession(seed: 5))
    _ = try trainer.run()
    let chosen = try #require(trainer.key.mark.carriers?.chosen)
    #expect(try trainer.sealedKey().mark.carriers?.chosen == chosen)
    #expect(try trainer.sealedKey().facts.architecture == task.architecture)
    var snapshot = try trainer.snapshot()
    let other = chosen.map { place($0.direction + 100, $0.label) }
    var pairs = try #require(snapshot.states["tilted"]).pairs.filter { $0.0 != "chosen" }
    pairs.append(("chosen", try Tensor(other.map(\.direction))))
    snapshot.states["tilted"] = StateDict(pairs)
    let again = try task.trainer(.tilted, .small, epochs: 1, session: TrainingSession(seed: 5))
    #expect(again.key.mark.carriers?.chosen == nil)
    try again.restore(snapshot)
    #expect(again.key.mark.carriers?.chosen == other)
  }
}
