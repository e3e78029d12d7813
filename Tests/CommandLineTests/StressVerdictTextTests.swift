import BulwarkNN
import Testing

@testable import BulwarkWatermark
@testable import bulwark

@Suite("The verdict of a stress run in words")
struct StressVerdictTextTests {
  private static let architecture = Architecture(.smallCNN, width: 8, classes: 10, channels: 1)

  private func row(
    _ attack: String, value: Double? = 0.5, p: Double? = 0.001, losesTooMuch: Bool = false
  ) -> StressReport.Row {
    StressReport.Row(
      attack: attack, settings: .null, remark: "", architecture: Self.architecture, accuracy: 0.9,
      accuracyChange: 0, expectedAccuracy: 0.9, losesTooMuch: losesTooMuch,
      readings: [
        StressReport.Reading(
          key: "own", role: .own, score: "carrier_probability", value: value, pValue: p,
          isLargest: p.map { _ in true }, smallestP: p.map { _ in 0.001 })
      ], counted: nil, ownWithOriginalLastLayer: nil, classShares: [], classPriorShift: 0,
      shiftedClass: 0, seconds: 0, seed: 0)
  }

  private func verdict(_ rows: [StressReport.Row], nulls: [[Double]] = [[0.1, 0.1]]) -> String {
    StressReport(
      rows: rows, margin: 0.05, classNames: [], testImages: 1, modelDigest: "",
      nulls: [NullScores(Self.architecture, scores: nulls)]
    ).verdict(level: 0.01)
  }

  @Test("Attacks that lost too much accuracy are named, and count neither for nor against the mark")
  func excluded() {
    let lost = row("distillation-half", losesTooMuch: true)
    let left = "Not counted, for losing more than 5.0 % of accuracy: distillation-half."
    let survived = verdict([row("none"), row("prune-0.1"), lost])
    #expect(survived.hasPrefix("The key is shown (p at most 0.01) after every judged attack"))
    #expect(survived.hasSuffix(left))
    let removed = verdict([row("none"), row("ftal", p: 0.5), lost])
    #expect(removed.contains("Removed at an accuracy within 5.0 %") && removed.contains(": ftal."))
    #expect(removed.hasSuffix(left))
    let alone = verdict([row("none"), lost])
    #expect(alone.hasPrefix("No attack was judged") && alone.hasSuffix(left))
    let open = verdict([row("none"), row("noise", p: nil)])
    #expect(open.hasPrefix("No attack was judged") && open.contains("place for the mark: noise."))
  }

  @Test("A model without a place for the mark is told apart from one without null models")
  func notApplicable() {
    let noPlace = verdict([row("none", value: nil, p: nil), row("ftal", value: nil, p: nil)])
    #expect(noPlace.contains("no place for this mark") && !noPlace.contains("null models"))
    let noNulls = verdict([row("none", p: nil), row("ftal", p: nil)], nulls: [])
    #expect(noNulls.hasPrefix("Without null models") && !noNulls.contains("no place"))
  }
}
