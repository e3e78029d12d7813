import BulwarkTensor

/// Products with the inverse of F = I + (1/N) Gᵀ G.
enum InverseFisher {
  /// F⁻¹ v by Woodbury's identity; the N × N system is solved by conjugate gradients in float64.
  ///
  /// - Parameters:
  ///   - rows: G, [N, P], float32.
  ///   - vector: v, [P].
  /// - Returns: [P], float32.
  /// - Throws: `TensorError`.
  /// - Complexity: O(N² P) time, O(N P + N²) memory.
  static func product(rows: Tensor, vector: Tensor) throws -> Tensor {
    let count = rows.shape[0]
    let right = try rows.matmul(vector.reshape([-1, 1])).to(.float64)
    let identity = try Tensor.arange(count).to(rows.device).oneHot(count).to(.float64)
    let system = try rows.matmul(rows.transpose(0, 1)).to(.float64) + identity * Double(count)
    let solution = try conjugateGradients(system, right).to(.float32)
    return try vector - rows.transpose(0, 1).matmul(solution).reshape([-1])
  }

  /// Solves A x = b for a symmetric positive definite A; [N, N] and [N, 1], float64.
  static func conjugateGradients(_ matrix: Tensor, _ right: Tensor) throws -> Tensor {
    var solution = try right * 0
    var residual = right
    var direction = right
    var square = try residual.square().sum().item()
    let enough = square * 1e-24
    for _ in 0..<(4 * right.count) where square > enough {
      let image = try matrix.matmul(direction)
      let step = square / (try (direction * image).sum().item())
      solution = try solution + direction * step
      residual = try residual - image * step
      let next = try residual.square().sum().item()
      direction = try residual + direction * (next / square)
      square = next
    }
    return solution
  }
}
