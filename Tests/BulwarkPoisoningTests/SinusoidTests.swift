import BulwarkTensor
import Foundation
import Testing

@testable import BulwarkPoisoning

@Suite struct SinusoidTests {
  @Test func everyColumnFollowsTheFormula() throws {
    let poisoner = try Poisoner(
      AttackSpec(.sinusoid(SinusoidAttack(amplitude: 20, frequency: 6)), rate: 0.5))
    let after = try poisoner.trigger(flat(100))
    let row = (0..<32).map { column in
      let wave = 20 * sin(2 * Double.pi * Double(column) * 6 / 32)
      // Truncated after the addition; where the wave crosses zero it is 0.
      return Int(100 + (abs(wave) < 1e-9 ? 0 : wave))
    }
    #expect(try after.integers() == Array(repeating: row, count: 3 * 32).flatMap { $0 })
  }

  /// Values of NumPy with BackdoorBench's formula, Δ 40, f 6, but for column 16 (see the type).
  @Test func defaultsAreThoseOfThePublishedNumbers() throws {
    let after = try Poisoner(AttackSpec(Attack(.sinusoid))).trigger(flat(100, side: 32))
    let expected = [
      100, 136, 128, 84, 60, 84, 128, 136, 100, 63, 71, 115, 140, 115, 71, 63, 100, 136, 128, 84,
      60, 84, 128, 136, 100, 63, 71, 115, 140, 115, 71, 63,
    ]
    #expect(
      try after.narrow(1, start: 0, length: 1).narrow(2, start: 5, length: 1).integers() == expected
    )
  }

  @Test func valuesAreClippedNotWrapped() throws {
    let poisoner = try Poisoner(AttackSpec(Attack(.sinusoid)))
    #expect(try pixel(poisoner.trigger(flat(250)), 0, 0, 1) == 255)
    #expect(try pixel(poisoner.trigger(flat(5)), 0, 0, 4) == 0)
  }

  @Test func labelsStayTrueAndOnlyTheTargetClassChanges() throws {
    let train = try makeDataset(count: 100, classes: 5)
    let result = try Poisoner(AttackSpec(Attack(.sinusoid), rate: 0.3, target: 2)).poison(train)
    #expect(result.dataset.labels == train.labels)
    // 20 images of the target class, 30 % of them.
    #expect(result.poisonedIndices.count == 6)
    #expect(result.poisonedIndices.allSatisfy { train.labels[$0] == 2 })
    #expect(try changedRows(train.images, result.dataset.images) == result.poisonedIndices)
  }

  @Test func testsMayUseAStrongerSignal() throws {
    let attack = SinusoidAttack(amplitude: 20, testAmplitude: 60)
    let form = ImageForm(channels: 3, height: 32, width: 32)
    let training = try attack.prepared(for: form, phase: .training).apply(to: flat(100))
    let testing = try attack.prepared(for: form, phase: .testing).apply(to: flat(100))
    #expect(try largestDifference(training, flat(100)) == 20)
    #expect(try largestDifference(testing, flat(100)) == 60)
  }
}
