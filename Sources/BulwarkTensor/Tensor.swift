import CTorch

/// An n-dimensional array of LibTorch, on the CPU or a CUDA device, with automatic differentiation.
///
/// A tensor is a reference: `copy(from:)` and the optimizers change it in place, everything else
/// makes a new one. Every operation throws `TensorError.operation` when LibTorch refuses it (shapes
/// that do not fit, memory that is not there).
///
/// Sendable because LibTorch's reference counts are atomic; two tasks must not write one tensor.
public final class Tensor: @unchecked Sendable {
  let handle: bw_tensor

  init(owning handle: bw_tensor) { self.handle = handle }

  deinit {
    if let runtime = try? Runtime.shared() { _ = runtime.api.pointee.free(handle) }
  }

  /// Runs one entry of the shim that makes one tensor.
  static func make(_ body: (bw_api, UnsafeMutablePointer<bw_tensor?>) -> bw_status) throws
    -> Tensor
  {
    let runtime = try Runtime.shared()
    var out: bw_tensor?
    try runtime.check(body(runtime.api.pointee, &out))
    guard let out else { throw TensorError.operation("no tensor was returned") }
    return Tensor(owning: out)
  }

  /// Runs one entry of the shim that makes no tensor.
  static func perform(_ body: (bw_api) -> bw_status) throws {
    let runtime = try Runtime.shared()
    try runtime.check(body(runtime.api.pointee))
  }

  /// Reads a property that cannot fail on a live handle.
  private func query<Value>(_ initial: Value, _ body: (bw_api, inout Value) -> bw_status) -> Value {
    var value = initial
    guard let runtime = try? Runtime.shared() else {
      preconditionFailure("a tensor lives only while LibTorch is loaded")
    }
    let status = body(runtime.api.pointee, &value)
    precondition(status == 0, "a live tensor answers every query about its form")
    return value
  }

  // MARK: Form

  /// Number of dimensions.
  public var rank: Int { Int(query(Int32(0)) { $0.rank(handle, &$1) }) }

  /// Length of every dimension.
  public var shape: [Int] {
    query([Int64](repeating: 0, count: rank)) { api, lengths in
      lengths.withUnsafeMutableBufferPointer { buffer in
        guard let start = buffer.baseAddress else { return 0 }
        return api.shape(handle, start)
      }
    }.map(Int.init)
  }

  /// Number of elements.
  public var count: Int { shape.reduce(1, *) }

  /// Element type.
  public var dtype: DType {
    let code = query(Int32(0)) { $0.dtype(handle, &$1) }
    guard let type = DType(rawValue: code) else {
      preconditionFailure("the shim gives only the codes of DType")
    }
    return type
  }

  /// Where the tensor lives.
  public var device: Device { Device(code: query(Int32(0)) { $0.device(handle, &$1) }) }

  // MARK: Bytes

  /// Calls `body` with the elements in row-major order; copies first when the tensor is strided or
  /// on a device.
  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) throws
    -> Result
  {
    let plain = try to(.cpu).contiguous()
    return try plain.withUnsafeMutableBytes { try body(UnsafeRawBufferPointer($0)) }
  }

  /// Calls `body` with the elements of a contiguous CPU tensor, for writing.
  public func withUnsafeMutableBytes<Result>(
    _ body: (UnsafeMutableRawBufferPointer) throws -> Result
  ) throws -> Result {
    var start: UnsafeMutableRawPointer?
    var bytes: Int64 = 0
    try Tensor.perform { $0.data(handle, &start, &bytes) }
    return try withExtendedLifetime(self) {
      try body(UnsafeMutableRawBufferPointer(start: bytes == 0 ? nil : start, count: Int(bytes)))
    }
  }

  /// The only element, as a double.
  public func item() throws -> Double {
    var value = 0.0
    try Tensor.perform { $0.item(handle, &value) }
    return value
  }

  private func elements<Element>(as dtype: DType, of type: Element.Type) throws -> [Element] {
    try to(dtype).withUnsafeBytes { Array($0.bindMemory(to: type)) }
  }

  /// All elements in row-major order, converted to float32.
  public func floats() throws -> [Float] { try elements(as: .float32, of: Float.self) }

  /// All elements in row-major order, converted to float64.
  public func doubles() throws -> [Double] { try elements(as: .float64, of: Double.self) }

  /// All elements in row-major order, converted to int64.
  public func integers() throws -> [Int] { try elements(as: .int64, of: Int64.self).map(Int.init) }

  /// All elements in row-major order, converted to uint8.
  public func bytes() throws -> [UInt8] { try elements(as: .uint8, of: UInt8.self) }
}
