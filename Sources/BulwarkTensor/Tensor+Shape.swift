import CTorch

extension Tensor {
  /// The same elements under another shape; one length may be -1.
  public func reshape(_ shape: [Int]) throws -> Tensor {
    let lengths = shape.map(Int64.init)
    return try Tensor.make { $0.reshape(handle, lengths, Int32(lengths.count), $1) }
  }

  /// Dimensions in another order.
  public func permute(_ dims: [Int]) throws -> Tensor {
    let list = dims.map(Int64.init)
    return try Tensor.make { $0.permute(handle, list, Int32(list.count), $1) }
  }

  /// Two dimensions exchanged.
  public func transpose(_ a: Int, _ b: Int) throws -> Tensor {
    var order = Array(0..<rank)
    order.swapAt(a < 0 ? a + rank : a, b < 0 ? b + rank : b)
    return try permute(order)
  }

  /// A dimension of length 1 put in at `dim`.
  public func unsqueeze(_ dim: Int) throws -> Tensor {
    var lengths = shape
    lengths.insert(1, at: dim < 0 ? dim + lengths.count + 1 : dim)
    return try reshape(lengths)
  }

  /// The dimension `dim`, of length 1, taken out.
  public func squeeze(_ dim: Int) throws -> Tensor {
    var lengths = shape
    let removed = lengths.remove(at: dim < 0 ? dim + lengths.count : dim)
    precondition(removed == 1, "only a dimension of length 1 can be squeezed")
    return try reshape(lengths)
  }

  /// Dimensions of length 1 repeated without copying; -1 keeps a length.
  public func expand(_ shape: [Int]) throws -> Tensor {
    let lengths = shape.map(Int64.init)
    return try Tensor.make { $0.expand(handle, lengths, Int32(lengths.count), $1) }
  }

  /// `length` entries of `dim` from `start`, sharing memory.
  public func narrow(_ dim: Int, start: Int, length: Int) throws -> Tensor {
    try Tensor.make { $0.narrow(handle, Int64(dim), Int64(start), Int64(length), $1) }
  }

  /// Order reversed along `dims`.
  public func flip(_ dims: [Int]) throws -> Tensor {
    let list = dims.map(Int64.init)
    return try Tensor.make { $0.flip(handle, list, Int32(list.count), $1) }
  }

  /// Elements shifted along `dim`, around the end.
  public func roll(_ shift: Int, dim: Int) throws -> Tensor {
    try Tensor.make { $0.roll(handle, Int64(shift), Int64(dim), $1) }
  }

  /// Tensors joined along `dim`.
  public static func cat(_ tensors: [Tensor], dim: Int = 0) throws -> Tensor {
    let handles = tensors.map(\.handle)
    return try withExtendedLifetime(tensors) {
      try make { $0.cat(handles, Int32(handles.count), Int64(dim), $1) }
    }
  }

  /// Tensors of one shape joined along a new dimension `dim`.
  public static func stack(_ tensors: [Tensor], dim: Int = 0) throws -> Tensor {
    let handles = tensors.map(\.handle)
    return try withExtendedLifetime(tensors) {
      try make { $0.stack(handles, Int32(handles.count), Int64(dim), $1) }
    }
  }

  /// Entries of `dim` at `indices` (int64, one-dimensional).
  public func indexSelect(_ dim: Int, _ indices: Tensor) throws -> Tensor {
    try Tensor.make { $0.index_select(handle, Int64(dim), indices.handle, $1) }
  }

  /// out[i][j] = self[i][index[i][j]] for `dim` 1, and so on.
  public func gather(_ dim: Int, _ indices: Tensor) throws -> Tensor {
    try Tensor.make { $0.gather(handle, Int64(dim), indices.handle, $1) }
  }

  /// A copy with out[i][index[i][j]] = source[i][j] for `dim` 1, and so on.
  public func scatter(_ dim: Int, _ indices: Tensor, _ source: Tensor) throws -> Tensor {
    try Tensor.make { $0.scatter(handle, Int64(dim), indices.handle, source.handle, $1) }
  }

  /// float32 rows with a 1 at each of the int64 indices.
  public func oneHot(_ classes: Int) throws -> Tensor {
    try Tensor.make { $0.one_hot(handle, Int64(classes), $1) }
  }

  /// Positions of the elements that are not zero, [count, rank], int64.
  public func nonzero() throws -> Tensor { try Tensor.make { $0.nonzero(handle, $1) } }

  /// Elements converted to another type.
  public func to(_ dtype: DType) throws -> Tensor {
    try Tensor.make { $0.to_dtype(handle, dtype.rawValue, $1) }
  }

  /// The tensor on another device; self when it is there already.
  public func to(_ device: Device) throws -> Tensor {
    self.device == device ? self : try Tensor.make { $0.to_device(handle, device.code, $1) }
  }

  /// Row-major in memory.
  public func contiguous() throws -> Tensor {
    try Tensor.make { $0.contiguous(handle, BW_CONTIGUOUS, $1) }
  }

  /// [N, C, H, W] with the channels innermost in memory, which oneDNN and cuDNN prefer.
  public func channelsLast() throws -> Tensor {
    try Tensor.make { $0.contiguous(handle, BW_CHANNELS_LAST, $1) }
  }

  /// A copy.
  public func clone() throws -> Tensor { try Tensor.make { $0.clone(handle, $1) } }

  /// The same values without history.
  public func detach() throws -> Tensor { try Tensor.make { $0.detach(handle, $1) } }
}
