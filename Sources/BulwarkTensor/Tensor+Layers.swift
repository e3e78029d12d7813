import CTorch

/// How values between pixels are found. The raw values are LibTorch's codes.
public enum Interpolation: Int32, Sendable, Codable { case bilinear, nearest, bicubic }

/// What `gridSample` reads outside the image. The raw values are LibTorch's codes.
public enum GridPadding: Int32, Sendable, Codable { case zeros, border, reflection }

/// What `pad` writes around the image.
public enum PaddingMode: Sendable, Equatable {
  case constant(Double), reflect, replicate
}

extension Tensor {
  /// x · weightᵀ + bias; x: [N, in], weight: [out, in], bias: [out].
  public func linear(weight: Tensor, bias: Tensor?) throws -> Tensor {
    try Tensor.make { $0.linear(handle, weight.handle, bias?.handle, $1) }
  }

  /// Two-dimensional cross-correlation; x: [N, C, H, W], weight: [out, C / groups, k, k].
  public func conv2d(
    weight: Tensor, bias: Tensor? = nil, stride: Int = 1, padding: Int = 0, groups: Int = 1
  ) throws -> Tensor {
    try Tensor.make {
      $0.conv2d(
        handle, weight.handle, bias?.handle, Int64(stride), Int64(padding), Int64(groups), $1)
    }
  }

  /// Batch normalization over every dimension but the second, then the sum with `residual` and the
  /// ReLU where they are asked for: one pass over the memory for all three on the CPU.
  ///
  /// With `training` the statistics are the batch's and the running ones move towards them by
  /// `momentum`; otherwise the running ones are used.
  public func batchNorm(
    weight: Tensor?, bias: Tensor?, runningMean: Tensor?, runningVariance: Tensor?,
    training: Bool, momentum: Double, epsilon: Double, adding residual: Tensor? = nil,
    relu: Bool = false
  ) throws -> Tensor {
    try Tensor.make {
      $0.batch_norm(
        handle, residual?.handle, weight?.handle, bias?.handle, runningMean?.handle,
        runningVariance?.handle, training ? 1 : 0, momentum, epsilon, relu ? 1 : 0, $1)
    }
  }

  /// Largest value of every window.
  public func maxPool2d(kernel: Int, stride: Int, padding: Int = 0) throws -> Tensor {
    try Tensor.make { $0.max_pool2d(handle, Int64(kernel), Int64(stride), Int64(padding), $1) }
  }

  /// Means over a `height` × `width` grid of windows.
  public func adaptiveAveragePool2d(height: Int, width: Int) throws -> Tensor {
    try Tensor.make { $0.adaptive_avg_pool2d(handle, Int64(height), Int64(width), $1) }
  }

  /// Cross-entropy of logits [N, C] in nats, against int64 classes [N] or probabilities [N, C]:
  /// the mean, or one value a sample.
  public func crossEntropy(_ targets: Tensor, labelSmoothing: Double = 0, perSample: Bool = false)
    throws -> Tensor
  {
    try Tensor.make {
      $0.cross_entropy(handle, targets.handle, labelSmoothing, perSample ? 1 : 0, $1)
    }
  }

  /// Pixels added on the left, right, top and bottom of [N, C, H, W].
  public func pad(left: Int, right: Int, top: Int, bottom: Int, mode: PaddingMode = .constant(0))
    throws -> Tensor
  {
    let amounts = [left, right, top, bottom].map(Int64.init)
    let (code, value): (Int32, Double) =
      switch mode {
      case .constant(let value): (0, value)
      case .reflect: (1, 0)
      case .replicate: (2, 0)
      }
    return try Tensor.make { $0.pad(handle, amounts, 4, code, value, $1) }
  }

  /// Samples [N, C, H, W] at `grid` [N, h, w, 2], (x, y) in -1...1.
  public func gridSample(
    _ grid: Tensor, mode: Interpolation = .bilinear, padding: GridPadding = .zeros,
    alignCorners: Bool
  ) throws -> Tensor {
    try Tensor.make {
      $0.grid_sample(
        handle, grid.handle, mode.rawValue, padding.rawValue, alignCorners ? 1 : 0, $1)
    }
  }

  /// Resizes [N, C, H, W]; `antialias` filters before shrinking (bilinear and bicubic).
  public func interpolate(
    height: Int, width: Int, mode: Interpolation = .bilinear, alignCorners: Bool = false,
    antialias: Bool = false
  ) throws -> Tensor {
    try Tensor.make {
      $0.interpolate(
        handle, Int64(height), Int64(width), mode.rawValue, alignCorners ? 1 : 0,
        antialias ? 1 : 0, $1)
    }
  }

  /// Rows divided by their Euclidean norm, at least `epsilon`; [N, D].
  public func normalized(epsilon: Double = 1e-12) throws -> Tensor {
    try self / norm([1], keep: true).clamp(min: epsilon)
  }
}
