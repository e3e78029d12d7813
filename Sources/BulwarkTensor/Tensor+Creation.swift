import CTorch

extension Tensor {
  /// A float32 tensor of these values in row-major order; one-dimensional without a shape.
  ///
  /// - Throws: `TensorError.shape` when the number of values does not fit the shape.
  public convenience init(_ values: [Float], shape: [Int]? = nil) throws {
    try self.init(copying: values, dtype: .float32, shape: shape)
  }

  /// A float64 tensor of these values in row-major order; one-dimensional without a shape.
  public convenience init(_ values: [Double], shape: [Int]? = nil) throws {
    try self.init(copying: values, dtype: .float64, shape: shape)
  }

  /// A uint8 tensor of these values in row-major order; one-dimensional without a shape.
  public convenience init(_ values: [UInt8], shape: [Int]? = nil) throws {
    try self.init(copying: values, dtype: .uint8, shape: shape)
  }

  /// An int64 tensor of these values in row-major order; one-dimensional without a shape.
  public convenience init(_ values: [Int], shape: [Int]? = nil) throws {
    try self.init(copying: values.map(Int64.init), dtype: .int64, shape: shape)
  }

  /// An int64 tensor of these values in row-major order; one-dimensional without a shape.
  public convenience init(_ values: [Int64], shape: [Int]? = nil) throws {
    try self.init(copying: values, dtype: .int64, shape: shape)
  }

  /// A bool tensor of these values in row-major order; one-dimensional without a shape.
  public convenience init(_ values: [Bool], shape: [Int]? = nil) throws {
    try self.init(copying: values.map { UInt8($0 ? 1 : 0) }, dtype: .bool, shape: shape)
  }

  private convenience init<Element>(copying values: [Element], dtype: DType, shape: [Int]?) throws {
    let shape = shape ?? [values.count]
    guard shape.allSatisfy({ $0 >= 0 }), shape.reduce(1, *) == values.count else {
      throw TensorError.shape(expected: shape, found: values.count)
    }
    let made = try Tensor.filled(shape, dtype: dtype) { target in
      values.withUnsafeBytes { target.copyMemory(from: $0) }
    }
    try self.init(aliasing: made)
  }

  /// Another handle on the same storage and graph node.
  convenience init(aliasing other: Tensor) throws {
    let runtime = try Runtime.shared()
    var out: bw_tensor?
    try runtime.check(runtime.api.pointee.alias(other.handle, &out))
    guard let out else { throw TensorError.operation("no tensor was returned") }
    self.init(owning: out)
  }

  /// A contiguous CPU tensor whose bytes `body` fills, in row-major order.
  public static func filled(
    _ shape: [Int], dtype: DType, _ body: (UnsafeMutableRawBufferPointer) throws -> Void
  ) throws -> Tensor {
    let tensor = try empty(shape, dtype: dtype)
    try tensor.withUnsafeMutableBytes(body)
    return tensor
  }

  /// A tensor of unset elements.
  public static func empty(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) throws
    -> Tensor
  {
    let lengths = shape.map(Int64.init)
    return try make { $0.empty(lengths, Int32(lengths.count), dtype.rawValue, device.code, $1) }
  }

  /// A tensor whose elements are all `value`.
  public static func full(
    _ shape: [Int], _ value: Double, dtype: DType = .float32, device: Device = .cpu
  ) throws -> Tensor {
    let lengths = shape.map(Int64.init)
    return try make {
      $0.full(lengths, Int32(lengths.count), value, dtype.rawValue, device.code, $1)
    }
  }

  /// A tensor of zeros.
  public static func zeros(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) throws
    -> Tensor
  {
    try full(shape, 0, dtype: dtype, device: device)
  }

  /// A tensor of ones.
  public static func ones(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) throws
    -> Tensor
  {
    try full(shape, 1, dtype: dtype, device: device)
  }

  /// The integers 0 ..< count.
  public static func arange(_ count: Int, dtype: DType = .int64) throws -> Tensor {
    try make { $0.arange(Int64(count), dtype.rawValue, $1) }
  }
}
