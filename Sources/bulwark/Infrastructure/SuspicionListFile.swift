import BulwarkData
import BulwarkDefense
import BulwarkStore
import Foundation

/// A ranked suspicion list as files: the most suspicious sample first.
///
/// HDF5: 1-D data sets of equal length `index` (position in the training set, int64), `score`
/// (float64), `given_label` and `predicted_label` (int64), and `flagged`, the positions in the index
/// set. JSON: the same as one object with a row for each sample, and the file of each sample where
/// samples are files. Samples that DBD left out of its training have the highest loss plus 1 as their score. The
/// score's name is `symmetric_cross_entropy`, or `pixel_log_odds` where no model was asked.
struct SuspicionListFile {
  /// Scores and predictions.
  var ranking: SuspicionRanking
  /// Positions that the list flags, most suspicious first.
  var flagged: [Int]
  /// The training set that was ranked.
  var dataset: ImageDataset
  /// What the scores come from.
  var origin: [String: JSONValue]
  /// What the scores are.
  var score = Score.loss

  /// Name of the scores, which are in nats.
  struct Score {
    let name: String
    let spoken: String

    /// A model's loss of the given label.
    static let loss = Score(name: "symmetric_cross_entropy", spoken: "symmetric cross-entropy")
    /// How surely the bare pixels give the given label.
    static let pixels = Score(name: "pixel_log_odds", spoken: "log odds by bare pixels")
  }

  /// Writes `<base>.json` and `<base>.h5`, each whole or not at all.
  ///
  /// - Returns: the two paths.
  func write(base: String, overwrite: Bool) throws -> (json: String, hdf5: String) {
    let paths = (json: base + ".json", hdf5: base + ".h5")
    let text = try JSONValue.object(members()).text() + "\n"
    try AtomicFile.write(Data(text.utf8), to: paths.json, overwrite: overwrite)
    try AtomicFile.replace(paths.hdf5, overwrite: overwrite) { temporary in
      let file = try HDF5File.create(temporary)
      let order = ranking.descending
      try write(order, "index", to: file)
      try write(order.map { ranking.scores[$0] }, "score", to: file)
      try write(order.map { ranking.labels[$0] }, "given_label", to: file)
      try write(order.map { ranking.predicted[$0] }, "predicted_label", to: file)
      try write(flagged, "flagged", to: file)
      try file.root.write("class_names", texts: dataset.classNames)
      try file.root.setAttribute("format", "bulwark.suspicion/1")
      try file.root.setAttribute("score", "\(score.spoken) in nats")
      try file.close()
    }
    return paths
  }

  private func members() throws -> [String: JSONValue] {
    let samples = ranking.descending.map { index in
      var row: [String: JSONValue] = [
        "index": .int(index), "score": .double(ranking.scores[index]),
        "given_label": .int(ranking.labels[index]),
        "predicted_label": .int(ranking.predicted[index]),
      ]
      if let source = dataset.sources?[index] { row["source"] = .string(source) }
      return JSONValue.object(row)
    }
    return origin.merging([
      "schema": "bulwark.suspicion/1",
      "score": ["name": .string(score.name), "unit": "nats"],
      "classes": .array(dataset.classNames.map(JSONValue.string)),
      "flagged": .array(flagged.map(JSONValue.int)),
      "samples": .array(samples),
    ]) { $1 }
  }

  private func write(_ values: [Int], _ name: String, to file: HDF5File) throws {
    try values.map(Int64.init).withUnsafeBytes {
      _ = try file.root.write(name, number: .int64, shape: [values.count], bytes: $0)
    }
  }

  private func write(_ values: [Double], _ name: String, to file: HDF5File) throws {
    try values.withUnsafeBytes {
      _ = try file.root.write(name, number: .float64, shape: [values.count], bytes: $0)
    }
  }
}
