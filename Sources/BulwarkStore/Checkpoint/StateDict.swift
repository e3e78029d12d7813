import BulwarkTensor

/// Tensors under dotted names, in order: what PyTorch calls a state dict.
public struct StateDict: Sendable, RandomAccessCollection {
  /// One named tensor.
  public struct Entry: Sendable {
    /// Dotted name, for example `layer1.0.conv1.weight`.
    public var name: String
    /// The tensor.
    public var tensor: Tensor

    /// Names a tensor.
    public init(name: String, tensor: Tensor) {
      self.name = name
      self.tensor = tensor
    }
  }

  /// The entries in order.
  public private(set) var entries: [Entry] = []
  private var places: [String: Int] = [:]

  /// An empty dict.
  public init() {}

  /// The pairs in order; of equal names the last tensor counts, in the first's place.
  public init(_ pairs: [(String, Tensor)]) {
    for (name, tensor) in pairs { self[name] = tensor }
  }

  /// The tensor of a name. Setting a new name appends it; setting nil removes it.
  public subscript(name: String) -> Tensor? {
    get { places[name].map { entries[$0].tensor } }
    set {
      if let place = places[name] {
        if let newValue {
          entries[place].tensor = newValue
        } else {
          entries.remove(at: place)
          places = Dictionary(
            uniqueKeysWithValues: entries.enumerated().map { ($0.element.name, $0.offset) })
        }
      } else if let newValue {
        places[name] = entries.count
        entries.append(Entry(name: name, tensor: newValue))
      }
    }
  }

  /// The names in order.
  public var names: [String] { entries.map(\.name) }

  /// The name-tensor pairs in order.
  public var pairs: [(String, Tensor)] { entries.map { ($0.name, $0.tensor) } }

  /// Elements of all tensors together.
  public var elementCount: Int { entries.reduce(0) { $0 + $1.tensor.count } }

  /// Bytes of all tensors together.
  public var byteCount: Int {
    entries.reduce(0) { $0 + $1.tensor.count * $1.tensor.dtype.byteSize }
  }

  /// Position of the first entry.
  public var startIndex: Int { 0 }
  /// Position behind the last entry.
  public var endIndex: Int { entries.count }
  /// The entry at a position.
  public subscript(position: Int) -> Entry { entries[position] }
}

extension StateDict: ExpressibleByDictionaryLiteral {
  /// The pairs in the order written.
  public init(dictionaryLiteral elements: (String, Tensor)...) { self.init(elements) }
}
