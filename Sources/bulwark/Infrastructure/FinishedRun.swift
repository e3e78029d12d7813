import BulwarkStore
import Foundation

/// What a finished run left in its folder.
struct FinishedRun {
  /// One measured number of a row.
  struct Measurement: Decodable, Equatable {
    var value: Double?
    var unit: String
    var n: Int?
  }

  /// The metrics of one model.
  struct Row: Decodable {
    var name: String
    var metrics: [String: Measurement]
  }

  private struct Result: Decodable {
    var schema: String
    var rows: [Row]?
    var metrics: [String: Measurement]?
  }

  let folder: String
  /// Lines of the resolved recipe without the seed's.
  let settings: [String]
  let seed: String
  let rows: [Row]

  /// Reads `result.json` and `recipe.yaml` of a run folder.
  ///
  /// - Throws: `ToolError` when the folder is no finished run.
  init(_ folder: String) throws {
    self.folder = folder
    let recipe = try FinishedRun.text(folder, "recipe.yaml")
    let result: Result
    do {
      result = try JSONDecoder().decode(
        Result.self, from: Data(FinishedRun.text(folder, "result.json").utf8))
    } catch let error as DecodingError {
      throw ToolError(
        summary: "'\(folder)/result.json' is no result of a run.",
        remedy: "Give folders that bulwark train or bulwark run has finished.",
        category: .badData, causes: ["\(error)"])
    }
    let lines = recipe.split(separator: "\n").map(String.init)
    settings = lines.filter { !$0.hasPrefix("seed:") }
    seed =
      lines.first { $0.hasPrefix("seed:") }?.dropFirst(5).trimmingCharacters(in: .whitespaces)
      ?? "0"
    rows = result.rows ?? [Row(name: "result", metrics: result.metrics ?? [:])]
  }

  private static func text(_ folder: String, _ name: String) throws -> String {
    do {
      return try String(contentsOfFile: folder + "/" + name, encoding: .utf8)
    } catch {
      throw ToolError(
        summary: "'\(folder)' holds no \(name).",
        remedy: "Give folders of finished runs; bulwark run … --out FOLDER --resume finishes one.",
        category: .missingInput)
    }
  }
}
