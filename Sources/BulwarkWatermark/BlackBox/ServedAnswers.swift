import BulwarkStore
import Foundation

/// What a served suspect answered to a query set, as a CSV file holds it.
///
/// | header | content of a line |
/// |---|---|
/// | `label` | the most probable class, by name or by number |
/// | one column a class, by name or `p0`, `p1`, ... | its probability; a line adds up to 1 |
///
/// With a column `index` (position in the query set, from 0) lines may be in any order; without one they
/// are in the order of the queries.
public struct ServedAnswers: Sendable, Hashable {
  /// Whether there are probabilities, not labels alone.
  public let hasProbabilities: Bool
  /// For each query the probabilities of all classes; 1 and 0 where only a label is known.
  public let rows: [[Float]]

  /// Takes answers that are in memory.
  ///
  /// - Parameters:
  ///   - rows: one for each query, one probability for each class.
  ///   - hasProbabilities: whether they are more than labels.
  public init(rows: [[Float]], hasProbabilities: Bool) {
    self.rows = rows
    self.hasProbabilities = hasProbabilities
  }

  /// Reads a file.
  ///
  /// - Parameters:
  ///   - path: the CSV file.
  ///   - count: number of queries.
  ///   - classNames: of the task, in label order.
  /// - Throws: `StoreError` for a missing file; `WatermarkError.badAnswers` naming the line.
  public init(reading path: String, count: Int, classNames: [String]) throws {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw StoreError(
        .missingFile, file: path, expected: "the answers to the queries", found: "no such file",
        remedy: "Check the path of the answers.")
    }
    guard let text = String(data: data, encoding: .utf8) else {
      throw WatermarkError.badAnswers(path, reason: "it is no text")
    }
    let reader = try Reader(CSVTable(text), path: path, count: count, classNames: classNames)
    hasProbabilities = reader.label == nil
    rows = try reader.rows()
  }

  private struct Reader {
    let table: CSVTable
    let path: String
    let count: Int
    let classNames: [String]
    let index: Int?
    let label: Int?
    /// The column of each class.
    let classes: [Int]

    init(_ table: CSVTable, path: String, count: Int, classNames: [String]) throws {
      (self.table, self.path, self.count, self.classNames) = (table, path, count, classNames)
      let header = table.header ?? []
      index = header.firstIndex(of: "index")
      label = header.firstIndex(of: "label")
      classes = classNames.enumerated().compactMap { number, name in
        header.firstIndex(of: name) ?? header.firstIndex(of: "p\(number)")
      }
      guard label != nil || classes.count == classNames.count else {
        throw WatermarkError.badAnswers(
          path,
          reason: "its first line names neither a column 'label' nor one for each class "
            + "(\(classNames.joined(separator: ",")), or p0,p1,...)")
      }
      guard table.rows.count == count else {
        throw WatermarkError.badAnswers(
          path, reason: "it has \(table.rows.count) answers, but there are \(count) queries")
      }
    }

    func rows() throws -> [[Float]] {
      var rows = [[Float]?](repeating: nil, count: count)
      for (position, row) in table.rows.enumerated() {
        let place = try index.map { try number(row, $0, "a position in the queries") } ?? position
        guard rows.indices.contains(place) else { throw bad(row, "there is no query \(place)") }
        guard rows[place] == nil else { throw bad(row, "query \(place) was answered before") }
        rows[place] = try label.map { try oneHot(row, $0) } ?? probabilities(row)
      }
      // As many rows as queries, each once: none is left.
      return rows.compactMap(\.self)
    }

    private func oneHot(_ row: CSVTable.Row, _ column: Int) throws -> [Float] {
      guard column < row.cells.count else { throw bad(row, "it has no label") }
      let known = classNames.firstIndex(of: row.cells[column])
      let label = try known ?? number(row, column, "a class")
      guard classNames.indices.contains(label) else { throw bad(row, "there is no class \(label)") }
      return classNames.indices.map { $0 == label ? 1 : 0 }
    }

    private func probabilities(_ row: CSVTable.Row) throws -> [Float] {
      let values = try classes.map { column in
        guard column < row.cells.count, let value = Float(row.cells[column]),
          (0...1.001).contains(value)
        else { throw bad(row, "a probability is none") }
        return value
      }
      guard abs(values.reduce(0, +) - 1) < 0.02 else {
        throw bad(row, "the probabilities add up to \(values.reduce(0, +))")
      }
      return values
    }

    private func number(_ row: CSVTable.Row, _ column: Int, _ what: String) throws -> Int {
      guard column < row.cells.count, let value = Int(row.cells[column]) else {
        throw bad(row, "'\(column < row.cells.count ? row.cells[column] : "")' is not \(what)")
      }
      return value
    }

    private func bad(_ row: CSVTable.Row, _ reason: String) -> WatermarkError {
      .badAnswers(path, reason: "line \(row.line): \(reason)")
    }
  }
}
