import BulwarkTensor
import Testing

@testable import BulwarkPoisoning

@Suite struct WaNetTests {
  let form = ImageForm(channels: 3, height: 32, width: 32)

  /// Values of PyTorch 2.13: interpolate(bicubic, align_corners), grid_sample, rounding.
  @Test func warpEqualsTheReferenceFormula() throws {
    let points = try Tensor((0..<32).map { Float($0 * 7 % 11) / 5.5 - 1 }, shape: [1, 2, 4, 4])
    let small = ImageForm(channels: 1, height: 8, width: 8)
    let field = try WarpField(points: points, strength: 0.5, rescale: 1, form: small)
    let images = try Tensor((0..<64).map { UInt8($0 * 29 % 256) }, shape: [1, 1, 8, 8])
    let expected = [
      0, 24, 55, 83, 109, 141, 177, 203, 221, 47, 31, 62, 96, 129, 159, 182, 204, 231, 69, 40, 81,
      114, 134, 153, 181, 207, 236, 32, 55, 86, 105, 124, 163, 184, 214, 222, 34, 49, 74, 100, 140,
      161, 191, 220, 239, 59, 49, 77, 111, 136, 165, 199, 200, 8, 31, 54, 91, 115, 140, 177, 199,
      109, 14, 35,
    ]
    #expect(try field.apply(to: images).integers() == expected)
  }

  @Test func strengthZeroIsTheIdentity() throws {
    let images = try makeDataset(count: 8).images
    let none = try WaNetAttack(strength: 0).field(for: form, key: RandomKey(seed: 1))
    #expect(try none.apply(to: images).bytes() == images.bytes())
    let some = try WaNetAttack().field(for: form, key: RandomKey(seed: 1))
    #expect(try changedRows(images, some.apply(to: images)).count == 8)
  }

  @Test(arguments: 0..<8 as Range<UInt64>)
  func displacementsStayBelowAPixel(_ seed: UInt64) throws {
    let shifts = try WaNetAttack().field(for: form, key: RandomKey(seed: seed)).displacements()
    #expect(shifts.shape == [32, 32, 2])
    let largest = try shifts.abs().max().item()
    #expect(largest < 1)
    #expect(largest > 0.2)
    // One unit of the field is s · (W − 1) / (2W) = 0.24 pixel and mean |P| is 1.
    #expect(try abs(shifts.abs().mean().item() - 0.2) < 0.12)
  }

  @Test func strongWarpsExceedAPixelSoTheBoundCanFail() throws {
    let shifts = try WaNetAttack(strength: 4).field(for: form, key: RandomKey(seed: 0))
      .displacements()
    #expect(try shifts.abs().max().item() > 1)
  }

  @Test func fieldIsTheSameInTrainingAndTesting() throws {
    let poisoner = try Poisoner(AttackSpec(.waNet(WaNetAttack()), rate: 0.2, target: 1, seed: 5))
    let train = try makeDataset()
    let poisoned = try poisoner.poison(train)
    let rows = try Tensor(poisoned.poisonedIndices)
    let triggered = try poisoner.trigger(train.images.indexSelect(0, rows))
    #expect(
      try triggered.bytes() == poisoned.dataset.images.indexSelect(0, rows).bytes())
    let other = try Poisoner(AttackSpec(.waNet(WaNetAttack()), rate: 0.2, target: 1, seed: 6))
    #expect(try other.trigger(train.images).bytes() != poisoner.trigger(train.images).bytes())
  }

  @Test func noiseModeWarpsTwiceAsManyImagesAndKeepsTheirLabels() throws {
    let train = try makeDataset(count: 100)
    let attack = Attack.waNet(WaNetAttack(noiseRatio: 2))
    let spec = AttackSpec(attack, rate: 0.1, target: 1, seed: 2)
    let result = try Poisoner(spec).poison(train)
    #expect(result.poisonedIndices.count == 10)
    #expect(result.noiseIndices.count == 20)
    #expect(Set(result.poisonedIndices).isDisjoint(with: result.noiseIndices))
    #expect(result.noiseIndices == result.noiseIndices.sorted())
    for index in result.noiseIndices {
      #expect(result.dataset.labels[index] == train.labels[index])
    }
    let touched = (result.poisonedIndices + result.noiseIndices).sorted()
    #expect(try changedRows(train.images, result.dataset.images) == touched)
    // Noise is drawn afresh for every image and is not the trigger.
    let row = try Tensor([result.noiseIndices[0]])
    let noisy = try result.dataset.images.indexSelect(0, row)
    #expect(
      try noisy.bytes() != Poisoner(spec).trigger(train.images.indexSelect(0, row)).bytes())
    // Neither the batch size nor the order of batches shows.
    let again = try Poisoner(spec).poison(train, batchSize: 3)
    #expect(try again.dataset.images.bytes() == result.dataset.images.bytes())
  }

  @Test func oblongImagesAreWarpedByTheSameShareOfAPixel() throws {
    let wide = ImageForm(channels: 1, height: 16, width: 64)
    let shifts = try WaNetAttack().field(for: wide, key: RandomKey(seed: 3)).displacements()
    #expect(shifts.shape == [16, 64, 2])
    #expect(try shifts.abs().max().item() < 1)
  }
}
