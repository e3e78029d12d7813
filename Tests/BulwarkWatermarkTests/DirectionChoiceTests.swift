import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkWatermark

@Suite("The choice of a key's directions")
struct DirectionChoiceTests {
  private let options = TiltedOptions(candidates: 12, reach: 2)

  /// The first candidates of a key whose labels differ.
  private func distinct(_ key: WatermarkKey, _ count: Int) -> [Int] {
    let labels = CarrierPlan.candidateLabels(key.secret, count: 12, classes: 10)
    return Array((0..<12).filter { labels.firstIndex(of: labels[$0]) == $0 }.prefix(count))
  }

  /// Chooses with a network for which every candidate's label is ahead of all other classes by the margin
  /// that is given for it, and 9 behind without one.
  private func choice(_ key: WatermarkKey, margins: [Int: Double]) throws -> DirectionChoice {
    let labels = CarrierPlan.candidateLabels(key.secret, count: 12, classes: 10)
    var candidate = 0
    return try DirectionChoice(key, #require(key.mark.carriers), options) { pictures in
      let (label, margin) = (labels[candidate], margins[candidate] ?? -9)
      candidate += 1
      let count = pictures.shape[0]
      let own = try Tensor([Int](repeating: label, count: count)).oneHot(10).to(.float32)
      // The other classes have 0 each, so that the label is ahead of the best of them by its margin.
      return try own * margin
    }
  }

  @Test("Labels close behind the first answer are taken, not those that come first or lack much")
  func near() throws {
    let key = try TinyTask.shared.get().key(.tilted, .small)
    let groups = try #require(key.mark.carriers).groups
    let order = distinct(key, groups + 3)
    let near = Array(order.suffix(groups))
    var margins = [order[0]: 0.5, order[1]: 5, order[2]: -3.0]
    for (index, candidate) in near.enumerated() { margins[candidate] = -1.9 + 0.1 * Double(index) }
    let chosen = try choice(key, margins: margins).chosen
    #expect(Set(chosen.map(\.number)) == Set(near))
    #expect(chosen.allSatisfy { $0.reached == 1 && $0.natural == 0 })
    #expect(Set(chosen.map(\.label)).count == groups)
  }

  @Test("Where no label is within reach, one far behind is better than one that comes by itself")
  func natural() throws {
    let key = try TinyTask.shared.get().key(.tilted, .small)
    let groups = try #require(key.mark.carriers).groups
    let order = distinct(key, groups + 1)
    let chosen = try choice(key, margins: [order[0]: 1]).chosen
    #expect(!chosen.map(\.number).contains(order[0]))
    #expect(chosen.allSatisfy { $0.reached == 0 })
  }

  @Test("A chosen key is drawn from the same images, has other carriers and another commitment")
  func key() throws {
    let task = try TinyTask.shared.get()
    let key = try task.key(.tilted, .small)
    let groups = try #require(key.mark.carriers).groups
    let numbers = (0..<groups).map { 20 - 3 * $0 }
    let chosen = try key.choosing(numbers)
    #expect(try chosen.isDrawn(from: task.data.train))
    // Later candidates than every owner looks at were chosen for reasons of their own.
    let last = CarrierPlan.usualCandidates
    #expect(TiltedOptions().candidates == last)
    let usual = try key.choosing((0..<groups).map { last - 1 - $0 })
    let later = try key.choosing((0..<groups).map { last - $0 })
    #expect(try usual.isDrawn(from: task.data.train))
    #expect(try !later.isDrawn(from: task.data.train))
    let before = try #require(try key.carriers())
    let after = try #require(try chosen.carriers())
    #expect(try before.images.bytes() != after.images.bytes())
    let digest = SHA256Digest(of: "model")
    #expect(try key.sealed(digest).commitment() != chosen.sealed(digest).commitment())
    // A foreign key has the same numbers among its own secret's candidates.
    let foreign = try chosen.foreign(0, material: task.data.train)
    #expect(foreign.mark == chosen.mark)
    let others = try #require(try foreign.carriers())
    #expect(try others.images.bytes() != after.images.bytes())
    #expect(throws: RecipeError.self) { try key.choosing([1] + numbers) }
    #expect(throws: RecipeError.self) {
      try key.choosing([CarrierPlan.mostCandidates] + numbers.dropFirst())
    }
    #expect(throws: RecipeError.self) {
      try key.choosing([Int](repeating: 1, count: groups)).carriers()
    }
  }

  @Test("A run that stops after the choice goes on with it, whatever it would choose now")
  func resumed() throws {
    let task = try TinyTask.shared.get()
    let trainer = try task.trainer(.tilted, .small, epochs: 1, session: TrainingSession(seed: 5))
    _ = try trainer.run()
    let chosen = try #require(trainer.key.mark.carriers?.chosen)
    #expect(try trainer.sealedKey().mark.carriers?.chosen == chosen)
    var snapshot = try trainer.snapshot()
    let other = chosen.map { $0 + 100 }
    var pairs = try #require(snapshot.states["tilted"]).pairs.filter { $0.0 != "chosen" }
    pairs.append(("chosen", try Tensor(other)))
    snapshot.states["tilted"] = StateDict(pairs)
    let again = try task.trainer(.tilted, .small, epochs: 1, session: TrainingSession(seed: 5))
    #expect(again.key.mark.carriers?.chosen == nil)
    try again.restore(snapshot)
    #expect(again.key.mark.carriers?.chosen == other)
  }
}
