/// A short table for people: a header, a rule, rows; numbers flush right.
struct Table {
  var header: [String]
  var rows: [[String]] = []

  init(_ header: String...) { self.header = header }

  init(header: [String]) { self.header = header }

  /// The lines of the table, without trailing blanks.
  func lines() -> [String] {
    let widths = header.indices.map { column in
      ([header] + rows).map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    let isNumeric = header.indices.map { column in
      !rows.isEmpty && rows.allSatisfy { column >= $0.count || Self.looksNumeric($0[column]) }
    }
    func line(_ cells: [String]) -> String {
      let padded = cells.enumerated().map { column, cell in
        let blanks = String(repeating: " ", count: widths[column] - cell.count)
        return isNumeric[column] ? blanks + cell : cell + blanks
      }
      return trimmed(padded.joined(separator: "  "))
    }
    let rule = widths.map { String(repeating: "-", count: $0) }.joined(separator: "  ")
    return [line(header), rule] + rows.map(line)
  }

  private static func looksNumeric(_ cell: String) -> Bool {
    guard let first = cell.first else { return true }
    return first.isNumber
      || ((first == "-" || first == "+") && cell.dropFirst().first?.isNumber ?? true)
  }

  private func trimmed(_ text: String) -> String {
    var text = Substring(text)
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}

/// `93.3 %` for a share of 0.933.
func percent(_ share: Double) -> String {
  guard share.isFinite else { return "–" }
  let tenths = (share * 1000).rounded()
  return "\(tenths / 10) %"
}
