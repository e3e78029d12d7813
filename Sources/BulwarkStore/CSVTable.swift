import Foundation

/// The cells of a small comma-separated file: no quotes, no commas inside of cells.
public struct CSVTable: Sendable {
  /// A line that is not empty.
  public struct Row: Sendable {
    /// Number of the line in the file, from 1.
    public let line: Int
    /// The cells without the spaces around them.
    public let cells: [String]
  }

  /// The names of the columns; nil where the first line is made of numbers.
  public let header: [String]?
  /// All other lines.
  public let rows: [Row]

  /// Takes a text apart. A first line with a cell that is no number is the header.
  ///
  /// - Parameter text: the content of the file.
  public init(_ text: String) {
    var lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
      .enumerated().map { number, line in
        Row(
          line: number + 1,
          cells: line.split(separator: ",", omittingEmptySubsequences: false)
            .map { $0.trimmingCharacters(in: .whitespaces) })
      }.filter { !$0.cells.allSatisfy(\.isEmpty) }
    if let first = lines.first, first.cells.contains(where: { Double($0) == nil }) {
      header = first.cells
      lines.removeFirst()
    } else {
      header = nil
    }
    rows = lines
  }
}
