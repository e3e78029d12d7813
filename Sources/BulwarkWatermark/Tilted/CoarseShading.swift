import BulwarkData
import BulwarkTensor

/// The coarse shading of images, in units of how much ordinary images differ in it.
///
/// For each channel four numbers: the mean and the coefficients of three smooth fields (one and two half
/// waves from top to bottom, one whole wave from left to right), all of which stay when an image is
/// mirrored. With mean μ and covariance L Lᵀ of the owner's images, an image with features f lies at
/// uᵀ L⁻¹ (f − μ) along a unit vector u: standard deviations, whatever u is. Adding the field with features
/// L u to an image moves it by one.
struct CoarseShading {
  /// Standard deviations that carriers are moved by.
  static let carrierDistance = 6.0
  /// Images that ordinary shading is measured on at least, where there are as many.
  static let sampleCount = 256
  private static let fields = 4
  /// [C, H, W].
  let shape: [Int]
  /// [4, H·W], float32.
  private let modes: Tensor
  private let mean: [Double]
  /// Rows of the lower triangular L.
  private let factor: [[Double]]

  /// Features of an image, 4 C.
  var dimensions: Int { mean.count }

  /// Measures ordinary images.
  ///
  /// - Parameter images: [N, C, H, W], uint8, on the CPU.
  /// - Throws: `TensorError`.
  init(_ images: Tensor) throws {
    let shape = Array(images.shape.dropFirst())
    self.shape = shape
    let modes = try CoarseShading.modes(height: shape[1], width: shape[2])
    self.modes = modes
    let values = try withoutGradients {
      try CoarseShading.features(ImageDataset.unitRange(images), modes).doubles()
    }
    let (count, size) = (images.shape[0], CoarseShading.fields * shape[0])
    let rows = (0..<count).map { Array(values[$0 * size..<($0 + 1) * size]) }
    let mean = (0..<size).map { column in rows.reduce(0) { $0 + $1[column] } / Double(count) }
    var covariance = [[Double]](repeating: [Double](repeating: 0, count: size), count: size)
    for row in rows {
      for i in 0..<size {
        for j in 0...i {
          covariance[i][j] += (row[i] - mean[i]) * (row[j] - mean[j]) / Double(count)
        }
      }
    }
    self.mean = mean
    factor = CoarseShading.cholesky(covariance)
  }

  /// Lower triangular L with L Lᵀ = `matrix` and a small part of its mean diagonal, so that channels that
  /// are copies of each other have an L, too. Only the lower half of the matrix is read.
  private static func cholesky(_ matrix: [[Double]]) -> [[Double]] {
    let size = matrix.count
    let ridge =
      1e-5 * matrix.indices.reduce(0) { $0 + matrix[$1][$1] } / Double(size) + 1e-12
    var factor = [[Double]](repeating: [Double](repeating: 0, count: size), count: size)
    for i in 0..<size {
      for j in 0...i {
        let known = (0..<j).reduce(0) { $0 + factor[i][$1] * factor[j][$1] }
        factor[i][j] =
          i == j
          ? max(matrix[i][i] + ridge - known, ridge).squareRoot()
          : (matrix[i][j] - known) / factor[j][j]
      }
    }
    return factor
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

  /// [B, 4 C], channel by channel.
  private static func features(_ pixels: Tensor, _ modes: Tensor) throws -> Tensor {
    let (count, channels) = (pixels.shape[0], pixels.shape[1])
    let area = modes.shape[1]
    return try pixels.contiguous().reshape([count * channels, area])
      .matmul(modes.transpose(0, 1)).reshape([count, channels * fields]) / Double(area)
  }

  /// The directions of a key.
  func directions(_ secret: WatermarkSecret, count: Int) -> [[Double]] {
    secret.directions("shading", count: count, size: dimensions)
  }

  /// Where images lie along some directions, in standard deviations.
  ///
  /// - Parameters:
  ///   - pixels: [B, C, H, W], float32 in 0...1, on any device.
  ///   - directions: m unit vectors of `dimensions` numbers.
  /// - Returns: [B, m], float32, on the device of the pixels.
  /// - Throws: `TensorError`.
  func places(_ pixels: Tensor, _ directions: [[Double]]) throws -> Tensor {
    // Lᵀ w = u gives uᵀ L⁻¹ = wᵀ.
    let weights = directions.map { direction in
      var solved = direction
      for i in mean.indices.reversed() {
        for j in mean.indices.dropFirst(i + 1) { solved[i] -= factor[j][i] * solved[j] }
        solved[i] /= factor[i][i]
      }
      return solved
    }
    let offsets = weights.map { zip($0, mean).reduce(0) { $0 + $1.0 * $1.1 } }
    let size = [directions.count, dimensions]
    let matrix = try Tensor(weights.joined().map(Float.init), shape: size).to(pixels.device)
    // Thresholds lie where float32 puts them, whatever the run's precision.
    let found = try withAutocast(false, on: pixels.device) {
      try CoarseShading.features(pixels, modes.to(pixels.device)).matmul(matrix.transpose(0, 1))
    }
    return try found
      - Tensor(offsets.map(Float.init), shape: [1, offsets.count]).to(pixels.device)
  }

  /// The fields that move an image by one standard deviation along each direction.
  ///
  /// - Parameter directions: m unit vectors of `dimensions` numbers.
  /// - Returns: [m, C, H, W], float32, for pixels in 0...1.
  /// - Throws: `TensorError`.
  func patterns(_ directions: [[Double]]) throws -> Tensor {
    // ⟨mode, mode⟩ is 1 for the flat one and 1/2 for the waves, per pixel.
    let weights = directions.flatMap { direction in
      mean.indices.map { i in
        let moved = (0...i).reduce(0) { $0 + factor[i][$1] * direction[$1] }
        return Float(i % CoarseShading.fields == 0 ? moved : 2 * moved)
      }
    }
    return try Tensor(weights, shape: [directions.count * shape[0], CoarseShading.fields])
      .matmul(modes).reshape([directions.count] + shape)
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
