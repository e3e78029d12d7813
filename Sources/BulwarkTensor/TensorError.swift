/// What can go wrong in the tensor layer.
public enum TensorError: BulwarkError, Equatable {
  /// LibTorch or the shim library could not be loaded: what happened, what to do, the loader's text.
  case runtime(String, String, cause: String)
  /// The device is unknown or absent: what happened, what to do, the loader's text.
  case device(String, String, cause: String = "")
  /// LibTorch refused an operation; the text is its own.
  case operation(String)
  /// The number of values does not fit the shape.
  case shape(expected: [Int], found: Int)

  /// What happened, in one sentence.
  public var summary: String {
    switch self {
    case .runtime(let what, _, _), .device(let what, _, _): what
    case .operation(let text):
      "LibTorch refused an operation: "
        + (text.split(separator: "\n").first.map(String.init) ?? "no message")
    case .shape(let expected, let found):
      "a tensor of shape \(expected) needs \(expected.reduce(1, *)) values, but \(found) were given"
    }
  }

  /// What to do about it.
  public var remedy: String {
    switch self {
    case .runtime(_, let remedy, _), .device(_, let remedy, _): remedy
    case .operation(let text) where text.contains("memory"):
      "use a smaller batch, a smaller model or fewer images (--limit; in a recipe: data.limit)"
    case .operation: "check the shapes of data and model; --verbose shows LibTorch's own text"
    case .shape: "pass as many values as the shape holds"
    }
  }

  /// Which exit code the tool gives.
  public var category: ErrorCategory {
    switch self {
    case .runtime: .missingInput
    case .device: .usage
    case .operation, .shape: .failure
    }
  }

  /// The loader's or LibTorch's own text.
  public var causes: [String] {
    switch self {
    case .runtime(_, _, let cause), .device(_, _, let cause): cause.isEmpty ? [] : [cause]
    case .operation(let text): [text]
    case .shape: []
    }
  }
}
