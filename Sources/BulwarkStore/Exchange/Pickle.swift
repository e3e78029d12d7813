/// The values that a restricted pickle can hold.
///
/// Lists, tables and tuples live in the machine's arena and are named by their place there, so that a
/// pickle can neither build a deep chain of owners nor a cycle of them.
indirect enum PickleValue {
  case none
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case bytes
  case tuple(Int)
  case list(Int)
  case table(Int)
  case global(String)
  case storage(PickleStorage)
  case tensor(PickleTensor)
}

/// A storage that a pickle refers to.
struct PickleStorage {
  /// Name of the entry below `data/`.
  var key: String
  /// Class of the elements, for example `FloatStorage`.
  var type: String
  /// Number of elements that the pickle declares.
  var count: Int
}

/// A view on a storage.
struct PickleTensor {
  var storage: PickleStorage
  var offset: Int
  var shape: [Int]
  var strides: [Int]
}

/// What the callers of the pickle machine must know to refuse a file well.
struct PickleRefusal: Error {
  var expected: String
  var found: String
}

/// The constructors that a restricted pickle may name. None of them runs code here: each is a note of
/// what PyTorch's own reader would build.
enum PickleGlobals {
  static let orderedTable = "collections.OrderedDict"
  static let rebuildTensor = "torch._utils._rebuild_tensor_v2"
  static let rebuildParameter = "torch._utils._rebuild_parameter"
  static let size = "torch.Size"
  static let device = "torch.device"
  static let storages = [
    "FloatStorage", "DoubleStorage", "HalfStorage", "BFloat16Storage", "LongStorage", "IntStorage",
    "ShortStorage", "CharStorage", "ByteStorage", "BoolStorage",
  ]
  static let types = [
    "float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool",
  ]

  static func allows(_ name: String) -> Bool {
    if [orderedTable, rebuildTensor, rebuildParameter, size, device].contains(name) { return true }
    guard name.hasPrefix("torch.") else { return false }
    let member = String(name.dropFirst(6))
    return storages.contains(member) || types.contains(member)
  }
}
