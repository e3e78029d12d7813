import BulwarkTensor

extension PyTorchFile {
  /// Writes a state dict that `torch.load(path, weights_only=True)` opens as an OrderedDict.
  ///
  /// - Throws: ``StoreError`` of kind `exists`, `cannotCreate`, `writeFailed`, or `oversized` beyond
  ///   4 GiB, where safetensors serves.
  public static func write(
    _ tensors: StateDict, to path: String, overwrite: Bool = false
  ) throws {
    guard tensors.byteCount < 1 << 32 - 1 << 24 else {
      throw StoreError(
        .oversized, file: path, expected: "less than 4 GiB of tensors",
        found: "\(tensors.byteCount) bytes", remedy: "Export to safetensors.")
    }
    try AtomicFile.replace(path, overwrite: overwrite) { temporary in
      let file = try FileDescriptor(creating: temporary, shownAs: path)
      var zip = ZipWriter(file)
      try zip.add("archive/data.pkl", pickle(tensors))
      try zip.add("archive/byteorder", Array("little".utf8))
      for (index, entry) in tensors.enumerated() {
        try entry.tensor.withUnsafeBytes { try zip.add("archive/data/\(index)", $0) }
      }
      try zip.add("archive/version", Array("3\n".utf8))
      try zip.finish()
      try file.flush()
    }
  }

  /// The pickle (protocol 2) of an OrderedDict of tensors, one storage each.
  private static func pickle(_ tensors: StateDict) -> [UInt8] {
    var out: [UInt8] = [0x80, 2]
    func global(_ module: String, _ name: String) { out += Array("c\(module)\n\(name)\n".utf8) }
    func text(_ value: String) {
      out.append(UInt8(ascii: "X"))
      out += little(value.utf8.count, 4) + Array(value.utf8)
    }
    func integer(_ value: Int) {
      if let small = Int32(exactly: value) {
        out.append(UInt8(ascii: "J"))
        out += little(Int(small), 4)
      } else {
        out += [0x8A, 8] + little(value, 8)
      }
    }
    func integers(_ values: [Int]) {
      out.append(UInt8(ascii: "("))
      values.forEach(integer)
      out.append(UInt8(ascii: "t"))
    }
    func emptyTable() {
      global("collections", "OrderedDict")
      out += Array(")R".utf8)
    }
    emptyTable()
    out.append(UInt8(ascii: "("))
    for (index, entry) in tensors.enumerated() {
      let shape = entry.tensor.shape
      text(entry.name)
      global("torch._utils", "_rebuild_tensor_v2")
      out += Array("((".utf8)
      text("storage")
      global("torch", storageName(of: entry.tensor.dtype))
      text("\(index)")
      text("cpu")
      integer(entry.tensor.count)
      out += Array("tQ".utf8)
      integer(0)
      integers(shape)
      integers(contiguousStrides(shape))
      out.append(0x89)
      emptyTable()
      out += Array("tR".utf8)
    }
    out += Array("u.".utf8)
    return out
  }

  private static func contiguousStrides(_ shape: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() {
      strides[axis] = strides[axis + 1] * max(1, shape[axis + 1])
    }
    return strides
  }

  private static func storageName(of dtype: DType) -> String {
    switch dtype {
    case .uint8: "ByteStorage"
    case .int8: "CharStorage"
    case .int16: "ShortStorage"
    case .int32: "IntStorage"
    case .int64: "LongStorage"
    case .float16: "HalfStorage"
    case .float32: "FloatStorage"
    case .float64: "DoubleStorage"
    case .bool: "BoolStorage"
    case .bfloat16: "BFloat16Storage"
    }
  }
}

/// The bytes of a number, lowest first.
func little(_ value: Int, _ count: Int) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}
