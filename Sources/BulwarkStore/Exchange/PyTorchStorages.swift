import BulwarkTensor

/// Turns the tensors that a pickle describes into real ones, from the storages of its archive.
struct PyTorchStorages {
  let zip: ZipReader
  /// Name of the folder of storages inside the archive.
  let folder: String

  /// Elements may be used more than once (tied weights), but not beyond this factor.
  static let reuseLimit = 8

  /// Copies the tensors out of the archive; checks every storage once.
  func tensors(_ pairs: [(String, PickleTensor)]) throws -> [(String, Tensor)] {
    var checked: Set<String> = []
    var budget = try zip.file.size() * PyTorchStorages.reuseLimit
    return try pairs.map { name, tensor in
      let dtype = try dtype(of: tensor.storage, name)
      let entry = try zip.entry(folder + tensor.storage.key)
      if checked.insert(tensor.storage.key).inserted {
        try zip.check(folder + tensor.storage.key)
      }
      try check(tensor, name: name, available: entry.size / dtype.byteSize)
      let bytes = tensor.shape.reduce(1, *) * dtype.byteSize
      budget -= bytes
      guard budget >= 0 else {
        throw error(.oversized, name, "tensors that the file can hold", "more")
      }
      return (name, try copy(tensor, dtype: dtype, from: entry))
    }
  }

  private func dtype(of storage: PickleStorage, _ name: String) throws -> DType {
    switch storage.type {
    case "FloatStorage": return .float32
    case "DoubleStorage": return .float64
    case "HalfStorage": return .float16
    case "BFloat16Storage": return .bfloat16
    case "LongStorage": return .int64
    case "IntStorage": return .int32
    case "ShortStorage": return .int16
    case "CharStorage": return .int8
    case "ByteStorage": return .uint8
    case "BoolStorage": return .bool
    default: throw error(.unexpectedType, name, "a known element type", storage.type)
    }
  }

  /// Checks that a view stays inside its storage and is no larger than it.
  private func check(_ tensor: PickleTensor, name: String, available: Int) throws {
    func refuse() -> StoreError {
      error(
        .oversized, name, "a view inside \(available) stored elements",
        "shape \(tensor.shape), strides \(tensor.strides), offset \(tensor.offset)")
    }
    guard tensor.shape.count == tensor.strides.count, tensor.shape.count <= 32,
      tensor.offset >= 0, tensor.offset <= available
    else { throw refuse() }
    var count = 1
    var last = tensor.offset
    for (size, stride) in Swift.zip(tensor.shape, tensor.steps) {
      guard size >= 0, stride >= 0 else { throw refuse() }
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      let (reach, far) = stride.multipliedReportingOverflow(by: max(0, size - 1))
      let (end, beyond) = last.addingReportingOverflow(reach)
      if overflow || far || beyond { throw refuse() }
      count = product
      last = end
    }
    if count > 0 && (last >= available || count > available) { throw refuse() }
  }

  private func copy(_ view: PickleTensor, dtype: DType, from entry: ZipReader.Entry) throws
    -> Tensor
  {
    let width = dtype.byteSize
    return try Tensor.filled(view.shape, dtype: dtype) { target in
      guard target.count > 0 else { return }
      if view.isContiguous {
        try zip.file.read(into: target, at: entry.offset + view.offset * width)
        return
      }
      let reach = Swift.zip(view.shape, view.steps).reduce(1) { $0 + ($1.0 - 1) * $1.1 }
      let source = try zip.file.bytes(reach * width, at: entry.offset + view.offset * width)
      source.withUnsafeBytes { view.gather(from: $0, into: target, width: width) }
    }
  }

  private func error(
    _ kind: StoreError.Kind, _ item: String, _ expected: String, _ found: String
  ) -> StoreError {
    StoreError(
      kind, file: zip.path, item: item, expected: expected, found: found,
      remedy: "The file is damaged or made to mislead; save the state dict again.")
  }
}

extension PickleTensor {
  /// The strides that count: an axis of one element has none, whatever the file says.
  var steps: [Int] { zip(shape, strides).map { $0 == 1 ? 0 : $1 } }

  /// Whether the elements lie in row-major order without gaps.
  var isContiguous: Bool {
    var next = 1
    for (size, stride) in zip(shape, strides).reversed() where size != 1 {
      if stride != next { return false }
      next *= size
    }
    return true
  }

  /// Copies the elements of a strided view in row-major order; `width` bytes each.
  func gather(
    from source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, width: Int
  ) {
    let steps = self.steps
    var index = [Int](repeating: 0, count: shape.count)
    var position = 0
    for place in stride(from: 0, to: target.count, by: width) {
      for byte in 0..<width { target[place + byte] = source[position * width + byte] }
      for axis in shape.indices.reversed() {
        index[axis] += 1
        position += steps[axis]
        if index[axis] < shape[axis] { break }
        position -= steps[axis] * shape[axis]
        index[axis] = 0
      }
    }
  }
}
