import BulwarkTensor

extension StateDict {
  /// What a model expects of one tensor.
  public struct Expectation: Sendable {
    /// Dotted name.
    public var name: String
    /// Shape.
    public var shape: [Int]
    /// Element type; nil accepts any floating-point type for a floating-point model.
    public var dtype: DType?

    /// States what is expected.
    public init(name: String, shape: [Int], dtype: DType? = nil) {
      self.name = name
      self.shape = shape
      self.dtype = dtype
    }
  }

  /// The differences between a state dict and what a model expects.
  public struct Difference: Sendable, Equatable {
    /// Names that the model has and the dict lacks.
    public var missing: [String] = []
    /// Names that the dict has and the model lacks.
    public var unexpected: [String] = []
    /// Tensors of another shape: `name: expected [..], found [..]`.
    public var shapes: [String] = []
    /// Tensors of another element type: `name: expected .., found ..`.
    public var types: [String] = []

    /// True when there is no difference.
    public var isEmpty: Bool {
      missing.isEmpty && unexpected.isEmpty && shapes.isEmpty && types.isEmpty
    }

    /// One line for each kind of difference, at most ten names each.
    public var lines: [String] {
      func line(_ title: String, _ names: [String]) -> String? {
        guard !names.isEmpty else { return nil }
        let rest = names.count > 10 ? " and \(names.count - 10) more" : ""
        return "\(title) (\(names.count)): " + names.prefix(10).joined(separator: ", ") + rest
      }
      return [
        line("missing", missing), line("unexpected", unexpected), line("other shape", shapes),
        line("other type", types),
      ].compactMap { $0 }
    }
  }

  /// How this dict differs from what a model expects.
  public func difference(from expected: [Expectation]) -> Difference {
    var result = Difference()
    let wanted = Set(expected.map(\.name))
    for expectation in expected {
      guard let tensor = self[expectation.name] else {
        result.missing.append(expectation.name)
        continue
      }
      if tensor.shape != expectation.shape {
        result.shapes.append(
          "\(expectation.name): expected \(expectation.shape), found \(tensor.shape)")
      } else if let dtype = expectation.dtype, tensor.dtype != dtype {
        result.types.append(
          "\(expectation.name): expected \(dtype.name), found \(tensor.dtype.name)")
      }
    }
    result.unexpected = names.filter { !wanted.contains($0) }
    return result
  }

  /// Throws unless the dict holds exactly the expected tensors.
  ///
  /// - Parameters:
  ///   - expected: every tensor of the model.
  ///   - file: path for the message.
  /// - Throws: ``StoreError`` of kind `incompatibleWeights`; its causes list what is missing,
  ///   unexpected, of another shape and of another type.
  public func checkCompatible(expected: [Expectation], file: String) throws {
    let difference = difference(from: expected)
    guard !difference.isEmpty else { return }
    throw StoreError(
      .incompatibleWeights, file: file, item: difference.firstName,
      expected: "the weights of this architecture (\(expected.count) tensors)",
      found: difference.lines.joined(separator: "; "),
      remedy: "Build the architecture that the weights were trained with, "
        + "or load a checkpoint of this one.", causes: difference.lines)
  }

  /// The same, with expectations as tuples.
  public func checkCompatible(
    expected: [(name: String, shape: [Int], dtype: DType)], file: String
  ) throws {
    try checkCompatible(
      expected: expected.map { Expectation(name: $0.name, shape: $0.shape, dtype: $0.dtype) },
      file: file)
  }
}

extension StateDict.Difference {
  /// The first tensor concerned.
  var firstName: String? {
    missing.first ?? unexpected.first
      ?? (shapes.first ?? types.first)?.split(separator: ":").first.map(String.init)
  }
}
