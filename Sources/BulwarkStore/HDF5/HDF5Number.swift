import BulwarkTensor

/// Element types that Bulwark stores; raw values are the codes of the C layer.
public enum HDF5Number: Int32, Sendable, CaseIterable {
  /// Unsigned 8-bit integer.
  case uint8
  /// Signed 8-bit integer.
  case int8
  /// Unsigned 16-bit integer; also carries bfloat16 bits.
  case uint16
  /// Signed 16-bit integer.
  case int16
  /// Signed 32-bit integer.
  case int32
  /// Signed 64-bit integer.
  case int64
  /// IEEE half precision.
  case float16
  /// IEEE single precision.
  case float32
  /// IEEE double precision.
  case float64
  /// A row of a metric series: int64 `step`, float64 `value`.
  case seriesRow

  /// Bytes of one element.
  public var byteSize: Int {
    switch self {
    case .uint8, .int8: 1
    case .uint16, .int16, .float16: 2
    case .int32, .float32: 4
    case .int64, .float64: 8
    case .seriesRow: 16
    }
  }

  /// The stored type of a tensor's elements.
  public init(storing dtype: DType) {
    switch dtype {
    case .uint8, .bool: self = .uint8
    case .int8: self = .int8
    case .int16: self = .int16
    case .int32: self = .int32
    case .int64: self = .int64
    case .float16: self = .float16
    case .float32: self = .float32
    case .float64: self = .float64
    case .bfloat16: self = .uint16
    }
  }

  /// The tensor type that is stored as this one when no `bulwark.dtype` attribute says otherwise.
  public var dtype: DType? {
    switch self {
    case .uint8: .uint8
    case .int8: .int8
    case .int16: .int16
    case .int32: .int32
    case .int64: .int64
    case .float16: .float16
    case .float32: .float32
    case .float64: .float64
    case .uint16, .seriesRow: nil
    }
  }
}
