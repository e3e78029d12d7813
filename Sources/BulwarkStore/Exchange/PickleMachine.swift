/// Runs the part of Python's pickle language that builds plain values and tensors, and nothing else.
///
/// Opcodes and constructors outside a short list are refused by name, so no code of the file's choosing
/// can run. Sources: CPython `Lib/pickletools.py` for the opcodes, PyTorch
/// `torch/_weights_only_unpickler.py` for the idea of the list.
struct PickleMachine {
  private enum Slot {
    case value(PickleValue)
    case mark
  }

  private let code: [UInt8]
  private var at = 0
  private var stack: [Slot] = []
  private var memo: [Int: PickleValue] = [:]
  private(set) var lists: [[PickleValue]] = []
  private(set) var tuples: [[PickleValue]] = []
  private(set) var tables: [[(PickleValue, PickleValue)]] = []
  /// Values that constructors have copied out of lists and tuples.
  private var copied = 0

  /// Numbers that a shape, or the strides of a tensor, may have at most.
  private static let mostAxes = 64

  init(_ code: [UInt8]) { self.code = code }

  /// Runs to the end and returns the value that was built.
  mutating func run() throws -> PickleValue {
    while true {
      let opcode = try byte()
      if opcode == UInt8(ascii: ".") { return try pop() }
      try step(opcode)
    }
  }

  private mutating func step(_ opcode: UInt8) throws {
    switch opcode {
    case 0x80:  // PROTO
      let version = try byte()
      guard (2...5).contains(version) else { throw refusal("protocol 2 to 5", "\(version)") }
    case 0x95: _ = try take(8)  // FRAME
    case UInt8(ascii: "("): stack.append(.mark)
    case UInt8(ascii: "0"): _ = try pop()
    case UInt8(ascii: "1"): _ = try popToMark()
    case UInt8(ascii: "2"):
      let top = try pop()
      push(top)
      push(top)
    case UInt8(ascii: "N"): push(.none)
    case 0x88: push(.bool(true))
    case 0x89: push(.bool(false))
    case UInt8(ascii: "J"): push(.int(Int(Int32(truncatingIfNeeded: try number(4)))))
    case UInt8(ascii: "K"): push(.int(try number(1)))
    case UInt8(ascii: "M"): push(.int(try number(2)))
    case 0x8A: push(.int(try long(try number(1))))
    case 0x8B: push(.int(try long(try number(4))))
    case UInt8(ascii: "G"):
      let bits = try take(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      push(.double(Double(bitPattern: bits)))
    case UInt8(ascii: "X"): push(.string(try text(try number(4))))
    case 0x8C: push(.string(try text(try number(1))))
    case 0x8D: push(.string(try text(try number(8))))
    case UInt8(ascii: "T"): push(.string(try text(try number(4))))
    case UInt8(ascii: "U"): push(.string(try text(try number(1))))
    case UInt8(ascii: "B"): try skipBytes(4)
    case UInt8(ascii: "C"): try skipBytes(1)
    case 0x8E: try skipBytes(8)
    case UInt8(ascii: "q"): memo[try number(1)] = try top()
    case UInt8(ascii: "r"): memo[try number(4)] = try top()
    case 0x94: memo[memo.count] = try top()
    case UInt8(ascii: "h"): push(try recall(try number(1)))
    case UInt8(ascii: "j"): push(try recall(try number(4)))
    default: try build(opcode)
    }
  }

  private mutating func build(_ opcode: UInt8) throws {
    switch opcode {
    case UInt8(ascii: "]"): pushList([])
    case UInt8(ascii: "l"): pushList(try popToMark())
    case UInt8(ascii: "a"):
      let value = try pop()
      lists[try topList()].append(value)
    case UInt8(ascii: "e"):
      let values = try popToMark()
      lists[try topList()] += values
    case UInt8(ascii: ")"): pushTuple([])
    case UInt8(ascii: "t"): pushTuple(try popToMark())
    case 0x85...0x87:
      let values = try (0x85...opcode).map { _ in try pop() }
      pushTuple(values.reversed())
    case UInt8(ascii: "}"): pushTable([])
    case UInt8(ascii: "d"): pushTable(try pairs(try popToMark()))
    case UInt8(ascii: "s"):
      let value = try pop()
      let key = try pop()
      tables[try topTable()].append((key, value))
    case UInt8(ascii: "u"):
      let items = try pairs(try popToMark())
      tables[try topTable()] += items
    case UInt8(ascii: "c"):
      let module = try line()
      push(try global(module, try line()))
    case 0x93:
      guard case .string(let name) = try pop(), case .string(let module) = try pop() else {
        throw refusal("the name of a constructor", "something else")
      }
      push(try global(module, name))
    case UInt8(ascii: "Q"): push(try storage(try pop()))
    case UInt8(ascii: "R"):
      let arguments = try tuple(try pop())
      push(try construct(try pop(), arguments))
    case UInt8(ascii: "b"):
      // OrderedDict carries attributes (`_metadata` in state dicts); they are dropped.
      guard case .table = try pop(), case .table = try top() else {
        throw refusal("plain tables and tensors", "an object with a state of its own")
      }
    default:
      throw refusal("opcodes for plain values and tensors", "opcode \(opcode) at byte \(at - 1)")
    }
  }

  // MARK: Constructors

  private func global(_ module: String, _ name: String) throws -> PickleValue {
    let full = "\(module).\(name)"
    guard PickleGlobals.allows(full) else {
      throw refusal("tensors and plain values only", "a call of \(full)")
    }
    return .global(full)
  }

  private mutating func construct(
    _ function: PickleValue, _ arguments: [PickleValue]
  ) throws -> PickleValue {
    guard case .global(let name) = function else { throw refusal("a constructor", "a value") }
    switch name {
    case PickleGlobals.orderedTable:
      guard arguments.count <= 1 else { throw refusal("at most one argument", name) }
      var items: [(PickleValue, PickleValue)] = []
      if let first = arguments.first {
        guard case .list(let list) = first else {
          throw refusal("a list of pairs", "another value")
        }
        try spend(lists[list].count)
        for item in lists[list] {
          let pair = try (tupleOrList(item))
          guard pair.count == 2 else { throw refusal("pairs", "\(pair.count) values") }
          items.append((pair[0], pair[1]))
        }
      }
      tables.append(items)
      return .table(tables.count - 1)
    case PickleGlobals.rebuildTensor:
      guard arguments.count >= 4, case .storage(let storage) = arguments[0],
        case .int(let offset) = arguments[1]
      else { throw refusal("storage, offset, shape and strides", "other arguments of \(name)") }
      return .tensor(
        PickleTensor(
          storage: storage, offset: offset, shape: try integers(arguments[2]),
          strides: try integers(arguments[3])))
    case PickleGlobals.rebuildParameter:
      guard case .tensor? = arguments.first else { throw refusal("a tensor", "another value") }
      return arguments[0]
    case PickleGlobals.size:
      guard let first = arguments.first else { throw refusal("a shape", "nothing") }
      return first
    case PickleGlobals.device:
      return .string("device")
    default:
      throw refusal("tensors and plain values only", "a call of \(name)")
    }
  }

  private func storage(_ identifier: PickleValue) throws -> PickleValue {
    let parts = try tuple(identifier)
    guard parts.count >= 5, case .string("storage") = parts[0], case .global(let type) = parts[1],
      case .string(let key) = parts[2], case .int(let count) = parts[4], count >= 0,
      type.hasPrefix("torch."), PickleGlobals.storages.contains(String(type.dropFirst(6)))
    else { throw refusal("a reference to a storage", "another reference") }
    return .storage(PickleStorage(key: key, type: String(type.dropFirst(6)), count: count))
  }

  // MARK: Stack

  private mutating func push(_ value: PickleValue) { stack.append(.value(value)) }

  private mutating func pushList(_ values: [PickleValue]) {
    lists.append(values)
    push(.list(lists.count - 1))
  }

  private mutating func pushTuple(_ values: [PickleValue]) {
    tuples.append(values)
    push(.tuple(tuples.count - 1))
  }

  private mutating func pushTable(_ items: [(PickleValue, PickleValue)]) {
    tables.append(items)
    push(.table(tables.count - 1))
  }

  private mutating func pop() throws -> PickleValue {
    guard case .value(let value)? = stack.popLast() else { throw refusal("a value", "none") }
    return value
  }

  private func top() throws -> PickleValue {
    guard case .value(let value)? = stack.last else { throw refusal("a value", "none") }
    return value
  }

  private mutating func popToMark() throws -> [PickleValue] {
    var values: [PickleValue] = []
    while let slot = stack.popLast() {
      guard case .value(let value) = slot else { return values.reversed() }
      values.append(value)
    }
    throw refusal("a mark", "none")
  }

  private func topList() throws -> Int {
    guard case .list(let place) = try top() else { throw refusal("a list", "another value") }
    return place
  }

  private func topTable() throws -> Int {
    guard case .table(let place) = try top() else { throw refusal("a table", "another value") }
    return place
  }

  private func recall(_ key: Int) throws -> PickleValue {
    guard let value = memo[key] else { throw refusal("a remembered value", "none at \(key)") }
    return value
  }

  private func tuple(_ value: PickleValue) throws -> [PickleValue] {
    guard case .tuple(let place) = value else { throw refusal("a tuple", "another value") }
    return tuples[place]
  }

  private func tupleOrList(_ value: PickleValue) throws -> [PickleValue] {
    if case .list(let place) = value { return lists[place] }
    return try tuple(value)
  }

  private mutating func integers(_ value: PickleValue) throws -> [Int] {
    let values = try tupleOrList(value)
    guard values.count <= Self.mostAxes else {
      throw refusal("at most \(Self.mostAxes) axes", "\(values.count)")
    }
    try spend(values.count)
    return try values.map {
      guard case .int(let number) = $0 else { throw refusal("whole numbers", "another value") }
      return number
    }
  }

  /// Counts values that are about to be copied. An honest pickle spells each of them, in a byte or more,
  /// for one copy; one that lets a long list be copied again and again would exhaust the memory.
  private mutating func spend(_ count: Int) throws {
    copied += count
    guard copied <= code.count else {
      throw refusal("at most \(code.count) values, one a byte", "lists that are copied repeatedly")
    }
  }

  private func pairs(_ values: [PickleValue]) throws -> [(PickleValue, PickleValue)] {
    guard values.count % 2 == 0 else { throw refusal("keys with values", "an odd number") }
    return stride(from: 0, to: values.count, by: 2).map { (values[$0], values[$0 + 1]) }
  }

  // MARK: Bytes

  private mutating func byte() throws -> UInt8 {
    guard at < code.count else { throw refusal("an end mark", "the end of the data") }
    at += 1
    return code[at - 1]
  }

  private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
    guard count >= 0, count <= code.count - at else {
      throw refusal("\(count) more bytes", "\(code.count - at)")
    }
    at += count
    return code[at - count..<at]
  }

  private mutating func number(_ count: Int) throws -> Int {
    try take(count).reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  private mutating func long(_ count: Int) throws -> Int {
    let bytes = try take(count)
    guard count <= 8 else { throw refusal("a 64-bit number", "\(count) bytes") }
    let negative = (bytes.last ?? 0) >= 128
    return bytes.reversed().reduce(negative ? -1 : 0) { $0 << 8 | Int($1) }
  }

  private mutating func text(_ count: Int) throws -> String {
    String(decoding: try take(count), as: UTF8.self)
  }

  private mutating func skipBytes(_ width: Int) throws {
    _ = try take(try number(width))
    push(.bytes)
  }

  private mutating func line() throws -> String {
    guard let end = code[at...].firstIndex(of: 10) else { throw refusal("a line", "none") }
    defer { at = end + 1 }
    return String(decoding: code[at..<end], as: UTF8.self)
  }

  private func refusal(_ expected: String, _ found: String) -> PickleRefusal {
    PickleRefusal(expected: expected, found: found)
  }
}
