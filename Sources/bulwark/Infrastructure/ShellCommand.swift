/// Commands that the tool prints for its user to give.
enum ShellCommand {
  /// Some words as one line that a shell takes apart into the same words.
  static func line(_ words: [String]) -> String {
    words.map(quoted).joined(separator: " ")
  }

  /// A word that stands for itself stays as it is; any other, such as a path with blanks, is quoted.
  private static func quoted(_ word: String) -> String {
    let isPlain = word.allSatisfy { $0.isLetter || $0.isNumber || "_@%+=:,./-".contains($0) }
    guard word.isEmpty || !isPlain else { return word }
    return "'" + word.replacing("'", with: #"'\''"#) + "'"
  }
}
