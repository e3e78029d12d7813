import BulwarkNN
import Testing

@testable import BulwarkWatermark

@Suite("The verdict of a stress run")
struct StressVerdictTests {
  private static let architecture = Architecture(.smallCNN, width: 8, classes: 10, channels: 1)

  private func row(
    _ attack: String, p: Double?, isLargest: Bool = true, losesTooMuch: Bool = false
  ) -> StressReport.Row {
    StressReport.Row(
      attack: attack, settings: .null, remark: "", architecture: Self.architecture, accuracy: 0.9,
      accuracyChange: 0, expectedAccuracy: 0.9, losesTooMuch: losesTooMuch,
      readings: [
        StressReport.Reading(
          key: "own", role: .own, score: "carrier_probability", value: 0.5, pValue: p,
          isLargest: p.map { _ in isLargest }, smallestP: p.map { _ in 0.001 })
      ], counted: nil, ownWithOriginalLastLayer: nil, classShares: [], classPriorShift: 0,
      shiftedClass: 0, seconds: 0, seed: 0)
  }

  private func removed(_ base: StressReport.Row, _ attacks: [StressReport.Row]) -> [String] {
    StressReport(
      rows: [base] + attacks, margin: 0.05, classNames: [], testImages: 1, modelDigest: ""
    ).successful(level: 0.01).map(\.attack)
  }

  @Test("Where the model itself does not show the key, no attack has removed anything")
  func wrongKey() {
    let attacks = [row("prune-0.1", p: 0.9), row("quantize-8", p: 0.967)]
    #expect(removed(row("none", p: 0.967), attacks).isEmpty)
    #expect(removed(row("none", p: 0.001, isLargest: false), attacks).isEmpty)
    #expect(removed(row("none", p: nil), attacks).isEmpty)
    #expect(removed(row("none", p: 0.001), attacks) == ["prune-0.1", "quantize-8"])
  }

  @Test("A key is shown by the table of verify: its rank passes, and its score is above all others")
  func sameRule() {
    let attacks = [
      row("kept", p: 0.01), row("not the largest", p: 0.001, isLargest: false),
      row("destroyed", p: 0.5, losesTooMuch: true), row("unknown", p: nil),
    ]
    #expect(removed(row("none", p: 0.001), attacks) == ["not the largest"])
    let table = RankTest(
      observed: 0.6, foreign: [0.1, 0.2, 0.1],
      nulls: [[0.2, 0.1, 0.7, 0.1], [0.6, 0.5, 0.6, 0.5]], keyRank: .score)
    for level in [0.05, 1.0 / 12, 0.5] {
      let report = VerificationReport(
        scheme: .adi, owner: "", access: .logits, level: level, commitments: 1,
        metric: "", count: 1, isCommitted: true, isDrawn: true, rank: table, counted: nil,
        cleanAccuracy: 1, cleanImages: 1, classShares: [])
      #expect((report.verdict == .derived) == table.shows(level: level))
    }
  }
}
