import BulwarkTensor

/// Resampling, shifting and blurring as products with one matrix per sample and direction.
enum SeparableMap {
  /// `out[b, c] = rows[b] * images[b, c] * columns[b]^T`.
  /// - Parameters:
  ///   - images: `[B, C, H, W]`, float32.
  ///   - rows: `[B, H', H]`.
  ///   - columns: `[B, W', W]`.
  /// - Returns: `[B, C, H', W']`.
  /// - Throws: `TensorError` when LibTorch refuses the shapes.
  static func apply(_ images: Tensor, rows: Tensor, columns: Tensor) throws -> Tensor {
    try rows.unsqueeze(1).matmul(images).matmul(columns.transpose(1, 2).unsqueeze(1))
  }

  /// `[count]` float32: 0, 1, 2, ... on `device`.
  static func counting(_ count: Int, device: Device) throws -> Tensor {
    try Tensor.arange(count).to(.float32).to(device)
  }

  /// A border-mapped index list as a 0/1 matrix.
  /// - Parameters:
  ///   - positions: `[...]` float32 whole numbers; those outside `0..<length` give zero rows.
  ///   - length: number of inputs.
  /// - Returns: `[..., length]`.
  /// - Throws: `TensorError` when LibTorch refuses the shapes.
  static func selection(_ positions: Tensor, length: Int) throws -> Tensor {
    try positions.unsqueeze(positions.rank).eq(counting(length, device: positions.device))
      .to(.float32)
  }

  /// Mirrors whole-number positions at 0 and `length - 1`, the border not repeated, then clamps.
  static func reflected(_ positions: Tensor, length: Int) throws -> Tensor {
    let last = Double(length - 1)
    let folded = try positions.abs()
    return try (last - (folded - last).abs()).clamp(min: 0, max: last)
  }
}
