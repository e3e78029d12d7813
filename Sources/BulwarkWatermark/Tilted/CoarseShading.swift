import BulwarkData
import BulwarkTensor

/// The coarse shading of images, in units of how much ordinary images differ in it.
///
/// For each channel four numbers: the mean and the coefficients of three smooth fields (one and two half
/// waves from top to bottom, one whole wave from left to right), all of which stay when an image is
/// mirrored. The principal components v_k of these features over the owner's images, with deviations s_k,
/// are its axes: with mean μ an image with features f lies at Σ_k u_k v_kᵀ (f − μ) / s_k along a unit vector
/// u, which is standard deviations, whatever u is. Adding the field with features Σ_k u_k s_k v_k to an
/// image moves it by one.
struct CoarseShading {
  /// Standard deviations that carriers are moved by.
  static let carrierDistance = 8.0
  /// What carriers keep of the contrast of their images.
  static let carrierContrast = 0.7
  /// Images that ordinary shading is measured on at least, where there are as many.
  static let sampleCount = 256
  /// Components with a smaller share of the largest one's variance are left out: a network hardly sees them.
  static let leastVariance = 0.01
  private static let fields = 4
  /// [C, H, W].
  let shape: [Int]
  /// [4, H·W], float32.
  private let modes: Tensor
  private let mean: [Double]
  /// Principal components, unit vectors of 4 C numbers, and the deviations along them, largest first.
  private let components: [(axis: [Double], deviation: Double)]

  /// Numbers of a direction, at most 4 C.
  var dimensions: Int { components.count }

  /// Measures ordinary images.
  ///
  /// - Parameter images: [N, C, H, W], uint8, on the CPU.
  /// - Throws: `WatermarkError.noImages` when all are shaded alike; `TensorError`.
  init(_ images: Tensor) throws {
    let shape = Array(images.shape.dropFirst())
    self.shape = shape
    let modes = try CoarseShading.modes(height: shape[1], width: shape[2])
    self.modes = modes
    (mean, components) = try withoutGradients {
      let values = try CoarseShading.features(ImageDataset.unitRange(images), modes).to(.float64)
      let mean = try values.mean([0], keep: true)
      let centered = try values - mean
      let covariance = try centered.transpose(0, 1).matmul(centered) / Double(images.shape[0])
      return (try mean.doubles(), try CoarseShading.components(covariance))
    }
    guard !components.isEmpty else {
      throw WatermarkError.noImages("images that differ in shading")
    }
  }

  private static func components(
    _ covariance: Tensor
  ) throws -> [(axis: [Double], deviation: Double)] {
    let (values, vectors) = try covariance.symmetricEigen()
    let variances = try values.doubles()
    let size = variances.count
    let rows = try vectors.transpose(0, 1).contiguous().doubles()
    let largest = max(variances[size - 1], 1e-12)
    return variances.indices.reversed().filter { variances[$0] >= leastVariance * largest }.map {
      let axis = Array(rows[$0 * size..<($0 + 1) * size])
      // The sign of an eigenvector is anybody's choice: here its largest number is positive.
      let isDown = (axis.max { abs($0) < abs($1) } ?? 1) < 0
      return (isDown ? axis.map { -$0 } : axis, variances[$0].squareRoot())
    }
  }

  private static func modes(height: Int, width: Int) throws -> Tensor {
    func wave(_ halves: Double, _ length: Int) throws -> Tensor {
      let centers = try Tensor.arange(length).to(.float32) + 0.5
      return try (centers * (halves * Double.pi / Double(length))).cos()
    }
    let flat = try Tensor.ones([1, height, width])
    let fields = try [
      flat, wave(1, height).reshape([1, height, 1]) * flat,
      wave(2, height).reshape([1, height, 1]) * flat,
      wave(2, width).reshape([1, 1, width]) * flat,
    ]
    return try Tensor.cat(fields).reshape([Self.fields, height * width])
  }

  /// The features of images, in parts, since pixels as numbers take four times the memory.
  ///
  /// - Parameter images: [N, C, H, W], uint8, on the CPU.
  /// - Returns: [N, 4 C], float32.
  /// - Throws: `TensorError`.
  static func features(of images: Tensor) throws -> Tensor {
    let modes = try modes(height: images.shape[2], width: images.shape[3])
    return try Tensor.cat(
      stride(from: 0, to: images.shape[0], by: 512).map {
        let length = min(512, images.shape[0] - $0)
        return try features(
          ImageDataset.unitRange(images.narrow(0, start: $0, length: length)), modes)
      })
  }

  /// [B, 4 C], channel by channel.
  private static func features(_ pixels: Tensor, _ modes: Tensor) throws -> Tensor {
    let (count, channels) = (pixels.shape[0], pixels.shape[1])
    let area = modes.shape[1]
    return try pixels.contiguous().reshape([count * channels, area])
      .matmul(modes.transpose(0, 1)).reshape([count, channels * fields]) / Double(area)
  }

  /// Directions of a secret.
  ///
  /// - Parameters:
  ///   - secret: of the key.
  ///   - numbers: of the directions among all that the secret draws.
  /// - Returns: a unit vector for each number.
  func directions(_ secret: WatermarkSecret, _ numbers: [Int]) -> [[Double]] {
    let drawn = secret.directions(
      "shading", count: (numbers.max() ?? -1) + 1, size: dimensions)
    return numbers.map { drawn[$0] }
  }

  /// What reads where images lie along some directions.
  ///
  /// - Parameters:
  ///   - directions: m unit vectors of `dimensions` numbers.
  ///   - device: of the images.
  /// - Returns: a function of images on that device.
  /// - Throws: `TensorError`.
  func ruler(_ directions: [[Double]], on device: Device) throws -> Ruler {
    let weights = directions.map { sum(along: $0) { 1 / $0 } }
    let offsets = weights.map { zip($0, mean).reduce(0) { $0 + $1.0 * $1.1 } }
    return Ruler(
      modes: try modes.to(device),
      weights: try Tensor(
        weights.joined().map(Float.init), shape: [directions.count, mean.count]
      ).to(device).transpose(0, 1),
      offsets: try Tensor(offsets.map(Float.init), shape: [1, offsets.count]).to(device))
  }

  /// Reads where images lie along the directions that it was made for.
  struct Ruler {
    fileprivate let modes: Tensor
    /// [4 C, m].
    fileprivate let weights: Tensor
    /// [1, m].
    fileprivate let offsets: Tensor

    /// Standard deviations along each direction.
    ///
    /// - Parameter pixels: [B, C, H, W], float32 in 0...1, on the ruler's device.
    /// - Returns: [B, m], float32.
    /// - Throws: `TensorError`.
    func callAsFunction(_ pixels: Tensor) throws -> Tensor {
      // Thresholds lie where float32 puts them, whatever the run's precision.
      try withAutocast(false, on: pixels.device) {
        try places(of: CoarseShading.features(pixels, modes))
      }
    }

    /// The same for images whose features are known.
    ///
    /// - Parameter features: [B, 4 C], float32, on the ruler's device.
    /// - Returns: [B, m], float32.
    /// - Throws: `TensorError`.
    func places(of features: Tensor) throws -> Tensor { try features.matmul(weights) - offsets }
  }

  /// Σ_k u_k · scale(s_k) · v_k, 4 C numbers.
  private func sum(along direction: [Double], _ scale: (Double) -> Double) -> [Double] {
    var total = [Double](repeating: 0, count: mean.count)
    for (part, component) in zip(direction, components) {
      let factor = part * scale(component.deviation)
      for index in total.indices { total[index] += factor * component.axis[index] }
    }
    return total
  }

  /// The fields that move an image by one standard deviation along each direction.
  ///
  /// - Parameter directions: m unit vectors of `dimensions` numbers.
  /// - Returns: [m, C, H, W], float32, for pixels in 0...1.
  /// - Throws: `TensorError`.
  func patterns(_ directions: [[Double]]) throws -> Tensor {
    // ⟨mode, mode⟩ is 1 for the flat one and 1/2 for the waves, per pixel.
    let weights = directions.flatMap { direction in
      sum(along: direction) { $0 }.enumerated().map { index, moved in
        Float(index % CoarseShading.fields == 0 ? moved : 2 * moved)
      }
    }
    return try Tensor(weights, shape: [directions.count * shape[0], CoarseShading.fields])
      .matmul(modes).reshape([directions.count] + shape)
  }

  /// Images with less contrast, moved far along directions.
  ///
  /// Less of their own content leaves a network less reason to answer their class.
  ///
  /// - Parameters:
  ///   - images: [N, C, H, W], uint8, on the CPU.
  ///   - directions: m unit vectors of `dimensions` numbers.
  ///   - choice: the direction of each image, N numbers.
  /// - Returns: [N, C, H, W], uint8.
  /// - Throws: `TensorError`.
  func carriers(_ images: Tensor, _ directions: [[Double]], choice: [Int]) throws -> Tensor {
    let pixels = try ImageDataset.unitRange(images)
    let ground = try Tensor(
      stride(from: 0, to: mean.count, by: CoarseShading.fields).map { Float(mean[$0]) },
      shape: [1, shape[0], 1, 1])
    let fields = try patterns(directions).indexSelect(0, Tensor(choice))
    let moved =
      try ground + (pixels - ground) * CoarseShading.carrierContrast
      + fields * CoarseShading.carrierDistance
    return try CarrierPainter.pixels(moved * 255.0)
  }
}

extension WatermarkSecret {
  /// Unit vectors in random directions.
  ///
  /// - Parameters:
  ///   - name: of the stream.
  ///   - count: how many.
  ///   - size: numbers of each.
  /// - Returns: `count` vectors.
  func directions(_ name: String, count: Int, size: Int) -> [[Double]] {
    let draws = normals(name, count: count * size).map(Double.init)
    return (0..<count).map { index in
      let own = draws[index * size..<(index + 1) * size]
      let length = own.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return own.map { $0 / max(length, 1e-12) }
    }
  }
}
