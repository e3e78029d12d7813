import BulwarkTensor

/// What is wrong with a stored file, or why one could not be written.
///
/// Reads as one sentence through ``summary``: the file, the data set in it, what was expected and what
/// was found; ``remedy`` says what to do and ``causes`` keeps what HDF5 or the system said.
public struct StoreError: BulwarkError, Hashable, CustomStringConvertible {
  /// The kinds of failure, one for each promise that the reader and the writer make.
  public enum Kind: String, Sendable, CaseIterable {
    /// No file of that name.
    case missingFile
    /// The file is not one that Bulwark (or the stated format) wrote.
    case foreignFile
    /// The file is shorter than it says.
    case truncated
    /// The bytes are not the ones that were sealed: damaged, or edited by another program.
    case brokenSeal
    /// One data set does not match its digest.
    case digestMismatch
    /// A newer major format version.
    case futureVersion
    /// A Bulwark file, but of another kind (data set for checkpoint).
    case wrongKind
    /// A soft, external or repeated link.
    case refusedLink
    /// External, virtual or filtered storage.
    case refusedStorage
    /// A declared size that the file cannot hold.
    case oversized
    /// The parser did not survive the file.
    case hostileFile
    /// A data set that must be there is not.
    case missingDataset
    /// A data set or attribute of an unexpected type or shape.
    case unexpectedType
    /// Content that parses but makes no sense.
    case invalidContent
    /// A name that cannot be stored, or that is stored twice.
    case invalidName
    /// Weights of another architecture.
    case incompatibleWeights
    /// A pickle that holds more than tensors and plain values.
    case refusedPickle
    /// The output exists and overwriting was not asked for.
    case exists
    /// The output cannot be created.
    case cannotCreate
    /// Reading failed in the middle.
    case readFailed
    /// Writing failed in the middle.
    case writeFailed
  }

  /// The kind of failure.
  public var kind: Kind
  /// Path of the file.
  public var file: String
  /// Data set, attribute or tensor concerned, if one is.
  public var item: String?
  /// What was expected.
  public var expected: String
  /// What was found.
  public var found: String
  /// What to do about it.
  public var remedy: String
  /// What lies behind it: HDF5's error stack, the system's message.
  public var causes: [String]

  /// Makes an error; `summary` is put together from the parts.
  public init(
    _ kind: Kind, file: String, item: String? = nil, expected: String, found: String,
    remedy: String, causes: [String] = []
  ) {
    self.kind = kind
    self.file = file
    self.item = item
    self.expected = expected
    self.found = found
    self.remedy = remedy
    self.causes = causes
  }

  /// One sentence: the file, the data set, what was expected and what was found.
  public var summary: String {
    let place = item.map { "\(file): \($0)" } ?? file
    return "\(place): expected \(expected), found \(found)"
  }

  /// The summary, the remedy and the causes, one after the other.
  public var description: String {
    ([summary, remedy] + causes).joined(separator: "\n")
  }

  /// The kind of failure as the command-line tool's exit codes know it.
  public var category: ErrorCategory {
    switch kind {
    case .missingFile: .missingInput
    case .exists, .cannotCreate: .cannotCreate
    case .readFailed, .writeFailed: .inputOutput
    case .invalidName: .usage
    default: .badData
    }
  }
}
