import BulwarkData
import BulwarkTensor

/// Takes away what images differ by in their coarse shading: a thief's answer to marks that hang on it,
/// such as `tilted`. No key is needed, only the suspicion.
///
/// Each channel's coefficients of the cosine fields with up to `order` half waves down and across are
/// replaced by the mean over the thief's images. Source: illumination compensation by the discrete cosine transform
/// (Chen, Er and Wu 2006, for faces), here on the pixels themselves instead of their logarithms.
struct EvenShading {
  /// Images that are worked on at once.
  private static let block = 1024
  /// [m, H·W], float32, orthonormal rows.
  private let fields: Tensor
  /// Mean coefficients over the thief's images, [1, C, m], float32.
  private let mean: Tensor

  /// The shading that all images are to have.
  ///
  /// - Parameters:
  ///   - images: the thief's, whose mean it is.
  ///   - order: half waves at most in each direction; a side of n pixels has n − 1.
  /// - Throws: `TensorError`.
  init(of images: ImageDataset, order: Int) throws {
    let (height, width) = (images.height, images.width)
    /// [min(order, length − 1) + 1, length], orthonormal rows: the type-II discrete cosine transform.
    func waves(_ length: Int) throws -> Tensor {
      let centers = try Tensor.arange(length).to(.float32) + 0.5
      let rows = try (0...min(order, length - 1)).map { halves in
        let wave = try (centers * (Double(halves) * Double.pi / Double(length))).cos()
        return try (wave * ((halves == 0 ? 1 : 2) / Double(length)).squareRoot()).reshape([
          1, length,
        ])
      }
      return try Tensor.cat(rows)
    }
    let (down, across) = (try waves(height), try waves(width))
    let (rows, columns) = (down.shape[0], across.shape[0])
    let fields = try (down.reshape([rows, 1, height, 1]) * across.reshape([1, columns, 1, width]))
      .reshape([rows * columns, height * width])
    self.fields = fields
    mean = try withoutGradients {
      var sum = try Tensor.zeros([1, images.channels, fields.shape[0]])
      for block in try Self.blocks(of: images) {
        sum = try sum + Self.coefficients(block, fields).sum([0], keep: true)
      }
      return try sum / Double(images.count)
    }
  }

  /// Views of some images at a time, [B, C, H, W], uint8: no copy of all of them in float32 is ever made.
  private static func blocks(of images: ImageDataset) throws -> [Tensor] {
    try stride(from: 0, to: images.count, by: block).map { start in
      try images.images.narrow(0, start: start, length: min(block, images.count - start))
    }
  }

  /// [B, C, m].
  private static func coefficients(_ pixels: Tensor, _ fields: Tensor) throws -> Tensor {
    let shape = pixels.shape
    return try ImageDataset.unitRange(pixels).contiguous()
      .reshape([shape[0], shape[1], shape[2] * shape[3]]).matmul(fields.transpose(0, 1))
  }

  /// Images under the shading of the thief's mean.
  ///
  /// - Parameter images: of the same form, the thief's own or others that his model is asked about; at 8 bits, so
  ///   pixels that leave 0...255 are cut off there.
  /// - Returns: a data set with the same labels.
  /// - Throws: `DataError`; `TensorError`.
  func callAsFunction(_ images: ImageDataset) throws -> ImageDataset {
    try withoutGradients {
      let evened = try Self.blocks(of: images).map { pixels in
        let change = try (mean - Self.coefficients(pixels, fields)).matmul(fields)
          .reshape(pixels.shape)
        return try CarrierPainter.pixels((ImageDataset.unitRange(pixels) + change) * 255.0)
      }
      return try images.replacingImages(Tensor.cat(evened))
    }
  }
}
