import BulwarkTensor

extension ImageDataset {
  /// Images and labels of one step.
  public struct Batch: Sendable {
    /// `[B, C, H, W]`, uint8, CPU.
    public let images: Tensor
    /// `[B]`, int64, CPU.
    public let labels: Tensor
    /// The B positions in the data set.
    public let indices: [Int]
  }

  /// Copies the samples at `indices` into one batch.
  /// - Parameter indices: B positions in `0..<count`.
  /// - Returns: images `[B, C, H, W]` uint8 and labels `[B]` int64.
  /// - Throws: `TensorError` for a position outside the data set.
  public func batch(_ indices: [Int]) throws -> Batch {
    let positions = try Tensor(indices)
    let labelTensor = try Tensor(indices.map { labels.indices.contains($0) ? labels[$0] : -1 })
    return Batch(
      images: try images.indexSelect(0, positions), labels: labelTensor,
      indices: indices)
  }

  /// Copies the samples at `indices` into one batch.
  /// - Parameter indices: `[B]`, int64, positions in `0..<count`.
  /// - Returns: images `[B, C, H, W]` uint8 and labels `[B]` int64.
  /// - Throws: `TensorError` for a position outside the data set.
  public func batch(_ indices: Tensor) throws -> Batch { try batch(indices.integers()) }

  /// Values in 0...1 of 8-bit images.
  /// - Parameter images: `[B, C, H, W]`, uint8, any device.
  /// - Returns: the same shape, float32, `images / 255`.
  /// - Throws: `TensorError` when memory runs out.
  public static func unitRange(_ images: Tensor) throws -> Tensor {
    try images.to(.float32) / 255.0
  }

  /// One image for writing to a file.
  /// - Parameter index: a position in `0..<count`.
  /// - Returns: the sample with channels interleaved.
  /// - Throws: `TensorError` for a position outside the data set.
  public func raster(_ index: Int) throws -> RasterImage {
    try RasterImage(planar: images.narrow(0, start: index, length: 1))
  }

  /// Mean and standard deviation of every channel over all pixels, of values in 0...1.
  /// - Returns: C means and C standard deviations (population, not sample), the latter at least
  ///   1/255, so that a constant channel can be normalized.
  public func channelStatistics() throws -> (mean: [Float], deviation: [Float]) {
    let area = height * width
    var sums = [Int](repeating: 0, count: channels)
    var squares = [Int](repeating: 0, count: channels)
    let channels = self.channels
    try images.withUnsafeBytes { bytes in
      for plane in 0..<(bytes.count / area) {
        var sum = 0
        var square = 0
        for value in UnsafeRawBufferPointer(rebasing: bytes[plane * area..<(plane + 1) * area]) {
          sum += Int(value)
          square += Int(value) * Int(value)
        }
        sums[plane % channels] += sum
        squares[plane % channels] += square
      }
    }
    let total = Double(count * area)
    let means = sums.map { Double($0) / total }
    let variances = zip(squares, means).map { Double($0) / total - $1 * $1 }
    return (
      means.map { Float($0 / 255) }, variances.map { Float(max(1, max(0, $0).squareRoot()) / 255) }
    )
  }

  /// The step that gives every channel of these images mean 0 and deviation 1.
  public func normalization() throws -> Normalize {
    let statistics = try channelStatistics()
    return Normalize(mean: statistics.mean, deviation: statistics.deviation)
  }
}

extension RasterImage {
  /// An image from one plane-by-plane tensor.
  /// - Parameter tensor: `[C, H, W]` or `[1, C, H, W]`; uint8, or float in 0...1 (clamped, rounded).
  /// - Throws: `DataError.inconsistent` for another shape; `TensorError`.
  public init(planar tensor: Tensor) throws {
    let shape = Array(tensor.shape.suffix(3))
    guard shape.count == 3, tensor.count == shape[0] * shape[1] * shape[2],
      shape[0] == 1 || shape[0] == 3
    else {
      throw DataError.inconsistent(
        path: "image tensor", reason: "shape \(tensor.shape), expected [1 or 3, H, W]")
    }
    var bytes = tensor
    if tensor.dtype != .uint8 {
      let scaled = try tensor.detach().to(.float32).clamp(min: 0, max: 1) * 255.0
      bytes = try scaled.round().to(.uint8)
    }
    let planar = try bytes.bytes()
    let area = shape[1] * shape[2]
    var pixels = planar
    if shape[0] == 3 {
      for i in 0..<area {
        for c in 0..<3 { pixels[3 * i + c] = planar[c * area + i] }
      }
    }
    self.init(width: shape[2], height: shape[1], channels: shape[0], pixels: pixels)
  }
}
