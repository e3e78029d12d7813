import CTorch

extension Tensor {
  func unary(_ op: bw_unary_op) throws -> Tensor { try Tensor.make { $0.unary(op, handle, $1) } }

  func binary(_ op: bw_binary_op, _ other: Tensor) throws -> Tensor {
    try Tensor.make { $0.binary(op, handle, other.handle, $1) }
  }

  func binary(_ op: bw_binary_op, _ other: Double) throws -> Tensor {
    try Tensor.make { $0.binary_scalar(op, handle, other, $1) }
  }

  /// Sum, with broadcasting.
  public static func + (a: Tensor, b: Tensor) throws -> Tensor { try a.binary(BW_ADD, b) }
  /// Difference, with broadcasting.
  public static func - (a: Tensor, b: Tensor) throws -> Tensor { try a.binary(BW_SUB, b) }
  /// Element-wise product, with broadcasting.
  public static func * (a: Tensor, b: Tensor) throws -> Tensor { try a.binary(BW_MUL, b) }
  /// Element-wise quotient, with broadcasting.
  public static func / (a: Tensor, b: Tensor) throws -> Tensor { try a.binary(BW_DIV, b) }
  /// Sum with a number.
  public static func + (a: Tensor, b: Double) throws -> Tensor { try a.binary(BW_ADD, b) }
  /// Difference from a number.
  public static func - (a: Tensor, b: Double) throws -> Tensor { try a.binary(BW_SUB, b) }
  /// Product with a number.
  public static func * (a: Tensor, b: Double) throws -> Tensor { try a.binary(BW_MUL, b) }
  /// Quotient by a number.
  public static func / (a: Tensor, b: Double) throws -> Tensor { try a.binary(BW_DIV, b) }
  /// A number minus every element.
  public static func - (a: Double, b: Tensor) throws -> Tensor { try (-b).binary(BW_ADD, a) }
  /// Product with a number.
  public static func * (a: Double, b: Tensor) throws -> Tensor { try b.binary(BW_MUL, a) }
  /// Negation.
  public static prefix func - (a: Tensor) throws -> Tensor { try a.unary(BW_NEG) }

  /// Power with a number as exponent.
  public func power(_ exponent: Double) throws -> Tensor { try binary(BW_POW, exponent) }
  /// Larger of two elements, with broadcasting.
  public func maximum(_ other: Tensor) throws -> Tensor { try binary(BW_MAXIMUM, other) }
  /// Smaller of two elements, with broadcasting.
  public func minimum(_ other: Tensor) throws -> Tensor { try binary(BW_MINIMUM, other) }
  /// Remainder with the sign of the divisor.
  public func remainder(_ divisor: Double) throws -> Tensor { try binary(BW_REMAINDER, divisor) }
  /// Angle of the point (`x`, self), in radians.
  public func atan2(_ x: Tensor) throws -> Tensor { try binary(BW_ATAN2, x) }

  /// Equality, as bool.
  public func eq(_ other: Tensor) throws -> Tensor { try binary(BW_EQ, other) }
  /// Equality with a number, as bool.
  public func eq(_ other: Double) throws -> Tensor { try binary(BW_EQ, other) }
  /// Inequality, as bool.
  public func ne(_ other: Tensor) throws -> Tensor { try binary(BW_NE, other) }
  /// Inequality with a number, as bool.
  public func ne(_ other: Double) throws -> Tensor { try binary(BW_NE, other) }
  /// Less than, as bool.
  public func lt(_ other: Tensor) throws -> Tensor { try binary(BW_LT, other) }
  /// Less than a number, as bool.
  public func lt(_ other: Double) throws -> Tensor { try binary(BW_LT, other) }
  /// At most, as bool.
  public func le(_ other: Tensor) throws -> Tensor { try binary(BW_LE, other) }
  /// At most a number, as bool.
  public func le(_ other: Double) throws -> Tensor { try binary(BW_LE, other) }
  /// Greater than, as bool.
  public func gt(_ other: Tensor) throws -> Tensor { try binary(BW_GT, other) }
  /// Greater than a number, as bool.
  public func gt(_ other: Double) throws -> Tensor { try binary(BW_GT, other) }
  /// At least, as bool.
  public func ge(_ other: Tensor) throws -> Tensor { try binary(BW_GE, other) }
  /// At least a number, as bool.
  public func ge(_ other: Double) throws -> Tensor { try binary(BW_GE, other) }
  /// Both true, as bool.
  public func and(_ other: Tensor) throws -> Tensor { try binary(BW_LOGICAL_AND, other) }
  /// Either true, as bool.
  public func or(_ other: Tensor) throws -> Tensor { try binary(BW_LOGICAL_OR, other) }
  /// Not true, as bool.
  public func not() throws -> Tensor { try unary(BW_LOGICAL_NOT) }

  /// Exponential.
  public func exp() throws -> Tensor { try unary(BW_EXP) }
  /// Natural logarithm.
  public func log() throws -> Tensor { try unary(BW_LOG) }
  /// Square root.
  public func sqrt() throws -> Tensor { try unary(BW_SQRT) }
  /// Square.
  public func square() throws -> Tensor { try unary(BW_SQUARE) }
  /// Absolute value.
  public func abs() throws -> Tensor { try unary(BW_ABS) }
  /// Sign: -1, 0 or 1.
  public func sign() throws -> Tensor { try unary(BW_SIGN) }
  /// max(0, x).
  public func relu() throws -> Tensor { try unary(BW_RELU) }
  /// Hyperbolic tangent.
  public func tanh() throws -> Tensor { try unary(BW_TANH) }
  /// 1 / (1 + exp(-x)).
  public func sigmoid() throws -> Tensor { try unary(BW_SIGMOID) }
  /// Largest integer not above x.
  public func floor() throws -> Tensor { try unary(BW_FLOOR) }
  /// Nearest integer, ties to even.
  public func round() throws -> Tensor { try unary(BW_ROUND) }
  /// Sine of an angle in radians.
  public func sin() throws -> Tensor { try unary(BW_SIN) }
  /// Cosine of an angle in radians.
  public func cos() throws -> Tensor { try unary(BW_COS) }
  /// log(1 + x).
  public func log1p() throws -> Tensor { try unary(BW_LOG1P) }
  /// 1 / x.
  public func reciprocal() throws -> Tensor { try unary(BW_RECIPROCAL) }
  /// Inverse error function.
  public func erfinv() throws -> Tensor { try unary(BW_ERFINV) }
  /// log(1 + exp(x)).
  public func softplus() throws -> Tensor { try unary(BW_SOFTPLUS) }
  /// Whether every element is neither infinite nor NaN, as bool.
  public func isFinite() throws -> Tensor { try unary(BW_IS_FINITE) }

  /// Elements limited to `min...max`.
  public func clamp(min: Double = -.infinity, max: Double = .infinity) throws -> Tensor {
    try Tensor.make { $0.clamp(handle, min, max, $1) }
  }

  /// Elements of self where `condition` is true, of `other` elsewhere.
  public func `where`(_ condition: Tensor, else other: Tensor) throws -> Tensor {
    try Tensor.make { $0.where(condition.handle, handle, other.handle, $1) }
  }

  /// Matrix product, batched over leading dimensions.
  public func matmul(_ other: Tensor) throws -> Tensor {
    try Tensor.make { $0.matmul(handle, other.handle, $1) }
  }
}
