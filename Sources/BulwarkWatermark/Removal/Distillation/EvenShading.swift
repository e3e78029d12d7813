import BulwarkData
import BulwarkTensor

/// Takes away what images differ by in their coarse shading: a thief's answer to marks that hang on it,
/// such as `tilted`. No key is needed, only the suspicion.
///
/// Each channel's coefficients of the cosine fields with up to `order` half waves down and across are
/// replaced by the mean over all images. Source: illumination compensation by the discrete cosine transform
/// (Chen, Er and Wu 2006, for faces), here on the pixels themselves instead of their logarithms.
struct EvenShading {
  /// Images that are worked on at once.
  private static let block = 1024
  /// [m, H·W], float32, orthonormal rows.
  private let fields: Tensor

  /// The fields of images of a size.
  ///
  /// - Parameters:
  ///   - height: rows.
  ///   - width: pixels per row.
  ///   - order: half waves at most in each direction; a side of n pixels has n − 1.
  /// - Throws: `TensorError`.
  init(height: Int, width: Int, order: Int) throws {
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
    fields = try (down.reshape([rows, 1, height, 1]) * across.reshape([1, columns, 1, width]))
      .reshape([rows * columns, height * width])
  }

  /// The images, all shaded as their mean is.
  ///
  /// - Parameter images: a thief's; at 8 bits, so pixels that leave 0...255 are cut off there.
  /// - Returns: a data set with the same labels.
  /// - Throws: `DataError`; `TensorError`.
  func callAsFunction(_ images: ImageDataset) throws -> ImageDataset {
    let form = [images.channels, images.height, images.width]
    let area = images.height * images.width
    func coefficients(_ pixels: Tensor) throws -> Tensor {
      try pixels.reshape([pixels.shape[0], form[0], area]).matmul(fields.transpose(0, 1))
    }
    let blocks = stride(from: 0, to: images.count, by: Self.block).map {
      (start: $0, length: min(Self.block, images.count - $0))
    }
    func pixels(_ block: (start: Int, length: Int)) throws -> Tensor {
      try ImageDataset.unitRange(
        images.images.narrow(0, start: block.start, length: block.length)
      ).contiguous()
    }
    return try withoutGradients {
      var sum = try Tensor.zeros([1, form[0], fields.shape[0]])
      for block in blocks { sum = try sum + coefficients(pixels(block)).sum([0], keep: true) }
      let mean = try sum / Double(images.count)
      let evened = try blocks.map { block in
        let own = try pixels(block)
        let change = try (mean - coefficients(own)).matmul(fields).reshape([block.length] + form)
        return try CarrierPainter.pixels((own + change) * 255.0)
      }
      return try images.replacingImages(Tensor.cat(evened))
    }
  }
}
