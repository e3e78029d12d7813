import CTorch

extension Tensor {
  private func reduce(_ op: bw_reduction_op, _ dims: [Int]?, _ keep: Bool) throws -> Tensor {
    let list = (dims ?? []).map(Int64.init)
    return try Tensor.make { $0.reduce(op, handle, list, Int32(list.count), keep ? 1 : 0, $1) }
  }

  /// Sum over `dims`, over everything by default.
  public func sum(_ dims: [Int]? = nil, keep: Bool = false) throws -> Tensor {
    try reduce(BW_SUM, dims, keep)
  }
  /// Mean over `dims`, over everything by default.
  public func mean(_ dims: [Int]? = nil, keep: Bool = false) throws -> Tensor {
    try reduce(BW_MEAN, dims, keep)
  }
  /// Largest element over `dims`, over everything by default.
  public func max(_ dims: [Int]? = nil, keep: Bool = false) throws -> Tensor {
    try reduce(BW_AMAX, dims, keep)
  }
  /// Smallest element over `dims`, over everything by default.
  public func min(_ dims: [Int]? = nil, keep: Bool = false) throws -> Tensor {
    try reduce(BW_AMIN, dims, keep)
  }
  /// log Σ exp over `dims`, over everything by default.
  public func logSumExp(_ dims: [Int]? = nil, keep: Bool = false) throws -> Tensor {
    try reduce(BW_LOGSUMEXP, dims, keep)
  }
  /// Population variance over `dims`, over everything by default.
  public func variance(_ dims: [Int]? = nil, keep: Bool = false) throws -> Tensor {
    try reduce(BW_VAR, dims, keep)
  }
  /// Euclidean norm over `dims`, over everything by default.
  public func norm(_ dims: [Int]? = nil, keep: Bool = false) throws -> Tensor {
    try reduce(BW_NORM2, dims, keep)
  }

  /// Position of the largest element along `dim`, int64.
  public func argmax(_ dim: Int = -1) throws -> Tensor {
    try Tensor.make { $0.argmax(handle, Int64(dim), $1) }
  }

  /// Stable order of the elements along `dim`, int64.
  public func argsort(_ dim: Int = -1, descending: Bool = false) throws -> Tensor {
    try Tensor.make { $0.argsort(handle, Int64(dim), descending ? 1 : 0, $1) }
  }

  /// The `k` largest (or smallest) elements along `dim` and their positions (int64).
  public func topK(_ k: Int, dim: Int = -1, largest: Bool = true) throws -> (
    values: Tensor, indices: Tensor
  ) {
    var indices: bw_tensor?
    let values = try Tensor.make {
      $0.top_k(handle, Int64(k), Int64(dim), largest ? 1 : 0, $1, &indices)
    }
    guard let indices else { throw TensorError.operation("top_k gave no indices") }
    return (values, Tensor(owning: indices))
  }

  /// Eigenvalues and eigenvectors of a symmetric matrix, of which the lower half is read.
  ///
  /// - Returns: for [n, n] of a floating type n values, smallest first, and [n, n] with an eigenvector of
  ///   length 1 in each column. The sign of a vector is not determined.
  /// - Throws: `TensorError` for anything but a square matrix.
  public func symmetricEigen() throws -> (values: Tensor, vectors: Tensor) {
    var vectors: bw_tensor?
    let values = try Tensor.make { $0.eigh(handle, $1, &vectors) }
    guard let vectors else { throw TensorError.operation("eigh gave no vectors") }
    return (values, Tensor(owning: vectors))
  }

  /// Running sum along `dim`.
  public func cumsum(_ dim: Int) throws -> Tensor {
    try Tensor.make { $0.cumsum(handle, Int64(dim), $1) }
  }

  /// exp(x) / Σ exp(x) along `dim`.
  public func softmax(_ dim: Int = -1) throws -> Tensor {
    try Tensor.make { $0.softmax(handle, Int64(dim), 0, $1) }
  }

  /// log softmax along `dim`.
  public func logSoftmax(_ dim: Int = -1) throws -> Tensor {
    try Tensor.make { $0.softmax(handle, Int64(dim), 1, $1) }
  }
}
