import BulwarkStore
import BulwarkTraining
import Foundation

/// The report as JSON and HDF5.
extension ForgettingReport {
  /// Name and version of the format.
  public static let schema = "bulwark.forgetting/1"

  /// The whole report; per-sample confidences for the forget sets only.
  public func json() throws -> JSONValue { document(withSamples: true) }

  private func document(withSamples: Bool) -> JSONValue {
    let before = Dictionary(
      rows(named: Self.original).map { ($0.seed, $0.confidence) }, uniquingKeysWith: { a, _ in a })
    var members: [String: JSONValue] = [
      "schema": .string(Self.schema), "checkpoint_before": .string(originalDigest),
      "recipe": .string(recipeDigest),
      "rows": .array(
        rows.map { row in
          var members = json(row)
          if withSamples { members["samples"] = .array(samples(row, before: before[row.seed])) }
          return .object(members)
        }),
      "summaries": .array(names.map(summaryJSON)),
      "failures": .array(
        failures.map {
          ["name": .string($0.name), "seed": .unsigned($0.seed), "reason": .string($0.reason)]
        }),
      "verdicts": .array(verdicts.map(JSONValue.string)),
      "legend": .array(Self.legend.map(JSONValue.string)),
    ]
    if !audit.isEmpty { members["ulira"] = auditJSON }
    return .object(members)
  }

  /// Errors and counts behind the measures of an audit, row by row.
  public var auditJSON: JSONValue {
    .object(
      Dictionary(
        audit.map { ($0.name, $0.json(beside: audit)) }, uniquingKeysWith: { first, _ in first }))
  }

  /// Confidence in the given label, before and after, of every sample to forget.
  private func samples(_ row: Row, before: [Double]?) -> [JSONValue] {
    let known = row.confidence.isEmpty ? [] : row.forgetSet.forget
    return known.map { index in
      var sample: [String: JSONValue] = [
        "index": .int(index), "label": .int(labels[index]),
        "confidence_after": .double(row.confidence[index]),
      ]
      if let before { sample["confidence_before"] = .double(before[index]) }
      return .object(sample)
    }
  }

  /// A row without its samples.
  private func json(_ row: Row) -> [String: JSONValue] {
    [
      "name": .string(row.name), "seed": .unsigned(row.seed),
      "checkpoint_after": row.checkpointDigest.map(JSONValue.string) ?? .null,
      "forget_set": [
        "digest": .string(row.forgetSet.digest), "origin": .string(row.forgetSet.origin),
        "samples": .int(row.forgetSet.forget.count), "of": .int(row.forgetSet.total),
        "gone_before": .int(row.forgetSet.gone.count),
      ],
      "mia_classifier": Self.classifier(row),
      "settings": row.settings,
      "measures": .object(
        Dictionary(
          row.values.map { ($0.definition.name, Self.json($0)) }, uniquingKeysWith: { a, _ in a })),
    ]
  }

  /// Samples of each kind that the classifiers behind MIA learn from, and their penalties C.
  private static func classifier(_ row: Row) -> JSONValue {
    func count(_ definition: MetricDefinition) -> Int? {
      row.values.first { $0.definition == definition }?.count
    }
    guard let retained = count(Metric.retainAccuracy), let tested = count(Metric.testAccuracy)
    else {
      return .null
    }
    let samples = min(retained, tested)
    return [
      "samples_of_each_kind": .int(samples),
      "penalty": [
        Metric.miaEfficacy.name: .double(
          ConfidenceAttack(.official).penaltyValue(samples: samples)),
        Metric.miaEfficacyScaled.name: .double(
          ConfidenceAttack(.scaled).penaltyValue(samples: samples)),
      ],
    ]
  }

  private static func json(_ value: MetricValue) -> JSONValue {
    var members: [String: JSONValue] = [
      "value": value.value.isFinite ? .double(value.value) : .null,
      "unit": .string(value.definition.unit), "n": .int(value.count),
      "good": .string(value.definition.direction.rawValue),
    ]
    if let target = value.definition.target { members["target"] = .string(target) }
    return .object(members)
  }

  private func summaryJSON(_ name: String) -> JSONValue {
    var members: [String: JSONValue] = ["name": .string(name)]
    var measures: [String: JSONValue] = [:]
    for definition in Metric.all {
      guard let summary = summary(definition, of: name) else { continue }
      measures[definition.name] = Self.json(summary, unit: definition.unit)
    }
    members["measures"] = .object(measures)
    if name != Self.reference, let gap = gap(of: name) {
      members["average_gap"] = ["value": .double(gap.ofMeans), "unit": "fraction"]
      members["average_gap_per_seed"] = Self.json(gap.perSeed, unit: "fraction")
    }
    return .object(members)
  }

  /// One measurement of what is no share of samples has no interval.
  private static func json(_ summary: SampleSummary, unit: String) -> JSONValue {
    [
      "mean": .double(summary.mean), "std": .double(summary.deviation), "unit": .string(unit),
      "interval_95": summary.hasInterval ? [.double(summary.low), .double(summary.high)] : .null,
      "seeds": .int(summary.seeds),
    ]
  }

  /// Writes the report as plain HDF5, whole or not at all: `labels`, and for each row a group
  /// `rows/NAME/seed-N` with `forget` (positions) and `confidence` (of every training sample, left out
  /// where a row stands for several models); for each row of an audit a group `ulira/NAME` with `statistic`
  /// (float64 [shadows, samples], the logit of the confidence in nats) and `unlearned` (uint8 of the same shape:
  /// 1 where the shadow unlearned the sample); the report without all of these is the text `report`.
  ///
  /// - Throws: `StoreError`.
  public func write(hdf5 path: String, overwrite: Bool = false) throws {
    let text = document(withSamples: false)
    try AtomicFile.replace(path, overwrite: overwrite) { temporary in
      let file = try HDF5File.create(temporary)
      try file.root.setAttribute("format", Self.schema)
      try file.root.write("report", text: text.text())
      try Self.write(labels, "labels", to: file.root)
      let groups = try file.root.createGroup("rows")
      for name in names {
        let group = try groups.createGroup(name)
        for row in rows(named: name) {
          let place = try group.createGroup("seed-\(row.seed)")
          try Self.write(row.forgetSet.forget, "forget", to: place)
          guard !row.confidence.isEmpty else { continue }
          try row.confidence.withUnsafeBytes {
            _ = try place.write(
              "confidence", number: .float64, shape: [row.confidence.count], bytes: $0)
          }
        }
      }
      if !audit.isEmpty { try writeAudit(to: file.root.createGroup("ulira")) }
      try file.close()
    }
  }

  private func writeAudit(to group: HDF5Group) throws {
    for finding in audit {
      let place = try group.createGroup(finding.name)
      let statistics = finding.statistics
      let shape = [statistics.values.count, statistics.values[0].count]
      try statistics.values.flatMap { $0 }.withUnsafeBytes {
        _ = try place.write("statistic", number: .float64, shape: shape, bytes: $0)
      }
      try statistics.isMember.flatMap { $0.map { UInt8($0 ? 1 : 0) } }.withUnsafeBytes {
        _ = try place.write("unlearned", number: .uint8, shape: shape, bytes: $0)
      }
    }
  }

  private static func write(_ values: [Int], _ name: String, to group: HDF5Group) throws {
    try values.map(Int64.init).withUnsafeBytes {
      _ = try group.write(name, number: .int64, shape: [values.count], bytes: $0)
    }
  }
}
