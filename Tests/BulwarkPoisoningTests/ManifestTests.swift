import BulwarkData
import BulwarkStore
import BulwarkTensor
import Foundation
import Testing

@testable import BulwarkPoisoning

@Suite struct ManifestTests {
  func poisoned(_ attack: Attack = .waNet(WaNetAttack(noiseRatio: 1))) throws -> PoisonedDataset {
    try Poisoner(AttackSpec(attack, rate: 0.2, target: 1, seed: .max - 5)).poison(makeDataset())
  }

  @Test func aWrittenManifestRebuildsTheTrigger() throws {
    let result = try poisoned()
    let path = try temporaryPath("poison.json")
    try result.manifest().write(to: path)
    let read = try PoisonManifest(reading: path)
    #expect(try read == result.manifest())
    #expect(read.spec.seed == UInt64.max - 5, "seeds beyond a double's digits stay exact")
    #expect(read.poisonedIndices == result.poisonedIndices)
    #expect(read.noiseIndices == result.noiseIndices)
    #expect(read.trueLabels == result.poisonedIndices.map { result.source.labels[$0] })
    #expect(try read.sourceFingerprint == result.source.fingerprint)
    let images = try flatNoise()
    #expect(
      try read.poisoner().trigger(images).bytes() == Poisoner(result.spec).trigger(images).bytes())
  }

  func flatNoise() throws -> Tensor { try makeDataset(count: 3, seed: 99).images }

  @Test func anExistingManifestIsNotOverwrittenUnasked() throws {
    let manifest = try poisoned().manifest()
    let path = try temporaryPath("poison.json")
    try manifest.write(to: path)
    #expect(throws: StoreError.self) { try manifest.write(to: path) }
    try manifest.write(to: path, overwrite: true)
  }

  @Test func damagedManifestsAreTypedErrors() throws {
    let path = try temporaryPath("poison.json")
    func write(_ text: String) throws {
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }
    func isRefused() -> Bool {
      do {
        _ = try PoisonManifest(reading: path)
        return false
      } catch PoisonError.notAManifest { return true } catch { return false }
    }
    #expect(isRefused(), "missing")
    let good = try JSONValue(encoding: poisoned().manifest()).text()
    try write(good)
    #expect(!isRefused(), "the untouched text is accepted")
    for (what, bad) in [
      ("cut off", String(good.dropLast(5))), ("not JSON", "hello"), ("other JSON", "{}"),
      ("future", good.replacingOccurrences(of: "bulwark.poison/1", with: "bulwark.poison/2")),
      (
        "too few labels",
        good.replacingOccurrences(of: "\"trueLabels\":[", with: "\"trueLabels\":[1,")
      ),
      (
        "bad index",
        good.replacingOccurrences(
          of: "\"poisonedIndices\":[", with: "\"poisonedIndices\":[-1,")
      ),
    ] {
      try write(bad)
      #expect(bad != good && isRefused(), "\(what)")
    }
  }

  @Test func aManifestKnowsItsData() throws {
    let result = try poisoned()
    let manifest = try result.manifest()
    try manifest.checkBelongs(to: result.dataset.fingerprint)
    #expect(throws: PoisonError.self) {
      try manifest.checkBelongs(to: result.source.fingerprint)
    }
  }

  @Test func theHDF5DataSetCarriesIndicesAndManifest() throws {
    let result = try poisoned()
    let path = try temporaryPath("poisoned.h5")
    try result.file().write(to: path)
    let file = try DatasetFile(reading: path)
    #expect(file.indexSets["poisoned"] == result.poisonedIndices)
    #expect(file.indexSets["noise"] == result.noiseIndices)
    #expect(file.labels == result.dataset.labels)
    let read = try PoisonManifest(in: file.provenance, path: path)
    #expect(try read == result.manifest())
  }

  @Test func everyAttackSurvivesJSON() throws {
    let picture = RasterImage(width: 2, height: 1, channels: 3, pixels: [1, 2, 3, 4, 5, 6])
    let patch = try PatchTrigger(
      name: "own", picture: picture, placement: .exact(row: 2, column: 3))
    let scaled = try PatchTrigger(
      name: "own", picture: picture, placement: .scaled(row: 2, column: 3, reference: 16))
    let attacks: [Attack] =
      Attack.Kind.allCases.map(Attack.init) + [
        .badNets(BadNetsAttack(patch: .corner)), .badNets(BadNetsAttack(patch: patch)),
        .badNets(BadNetsAttack(patch: scaled)),
        .blended(BlendedAttack(alpha: 0.2, testAlpha: 0.3, picture: .image(picture, name: "p"))),
        .waNet(WaNetAttack(controlPoints: 5, strength: 0.7, rescale: 0.9, noiseRatio: 2)),
        .labelConsistent(
          LabelConsistentAttack(
            perturbation: ProjectedGradient(epsilon: 4, stepSize: 1, steps: 7),
            mark: .corners(CornerTrigger(amplitude: 0.5)))),
        .labelConsistent(LabelConsistentAttack(mark: .patch(patch))),
        .sinusoid(SinusoidAttack(amplitude: 20, testAmplitude: 40, frequency: 3)),
      ]
    for attack in attacks {
      let spec = AttackSpec(attack, rate: 0.1, target: 2, seed: .max, draw: .bernoulli)
      let json = try JSONEncoder().encode(spec)
      #expect(try JSONDecoder().decode(AttackSpec.self, from: json) == spec)
    }
  }

  @Test func shortFormsTakeTheDefaults() throws {
    func read(_ text: String) throws -> AttackSpec {
      try JSONDecoder().decode(AttackSpec.self, from: Data(text.utf8))
    }
    #expect(try read(#"{"attack": "badnets"}"#) == AttackSpec(Attack(.badNets)))
    #expect(try read(#"{"attack": "sig"}"#).rate == 0.5)
    #expect(
      try read(#"{"attack": {"kind": "blended", "alpha": 0.2}, "rate": 0.1, "target": 0}"#)
        == AttackSpec(.blended(BlendedAttack(alpha: 0.2)), rate: 0.1, target: 0))
    #expect(
      try read(#"{"attack": {"kind": "badnets", "patch": "corner-3x3"}}"#).attack
        == .badNets(BadNetsAttack(patch: .corner)))
  }

  @Test func misspelledSettingsAreRefusedWithTheNearestValidOne() throws {
    func problem(_ text: String) -> PoisonError? {
      do {
        _ = try JSONDecoder().decode(AttackSpec.self, from: Data(text.utf8))
        return nil
      } catch { return error as? PoisonError }
    }
    #expect(problem(#"{"attack": {"kind": "blended", "alpha": 0.2}}"#) == nil)
    let key = problem(#"{"attack": {"kind": "blended", "alhpa": 0.2}}"#)
    #expect(key?.remedy.contains("'alpha'") == true)
    #expect(problem(#"{"attack": "wannet"}"#)?.remedy.contains("'wanet'") == true)
    #expect(problem(#"{"attack": "badnets", "rat": 0.1}"#)?.remedy.contains("'rate'") == true)
    #expect(problem(#"{"attack": {"kind": "badnets", "patch": "dbd"}}"#) != nil)
  }

  @Test func picturesShowCleanPoisonedAndDifference() throws {
    let result = try poisoned(Attack(.badNets))
    let rows = try result.pictureRows()
    #expect(rows.count == 8)
    let first = result.poisonedIndices[0]
    #expect(
      try rows[0][0].bytes() == result.source.images.narrow(0, start: first, length: 1).bytes())
    #expect(
      try rows[0][1].bytes() == result.dataset.images.narrow(0, start: first, length: 1).bytes())
    // Middle gray wherever nothing changed: everything but the 2×2 patch.
    #expect(try rows[0][2].eq(0.5).to(.float32).sum().item() >= 3 * (1024 - 4))
    let path = try temporaryPath("poison.png")
    try result.writePictures(to: path)
    let sheet = try ImageCodec.decode(path: path)
    #expect(sheet.width == (3 * 33 - 1) * 4 && sheet.height == (8 * 33 - 1) * 4)
  }
}
