import BulwarkTensor

/// The warp of WaNet (Nguyen & Tran 2021, arXiv 2102.10369; formulas as in
/// `VinAIResearch/Warping-based_Backdoor_Attack-release`, `train.py`), made ready for one image form.
///
/// 1. P ~ U(−1, 1), [1, 2, k, k], divided by mean |P|.
/// 2. F = P enlarged to H×W (bicubic, corners aligned), channel 0 along columns, channel 1 along rows.
/// 3. G = clamp((I + s · F / H) · rescale, −1, 1) with I the identity grid over linspace(−1, 1).
///
/// For images that are not square the column part is divided by W, so that s means the same share
/// of a pixel in both directions.
public struct WarpField: Trigger {
  /// Where every output pixel is read from, [1, H, W, 2], (x, y) in −1...1.
  let grid: Tensor
  private let form: ImageForm

  /// Makes the field of these control points.
  /// - Parameters:
  ///   - points: P before it is divided, `[1, 2, k, k]`, float32 in −1...1, k at least 2.
  ///   - strength: s, 0 or more; 0 gives the identity.
  ///   - rescale: factor on the grid, 1 in every published setting.
  ///   - form: of the images.
  /// - Throws: `PoisonError.invalidParameter` for images with a side of one pixel.
  init(points: Tensor, strength: Double, rescale: Double, form: ImageForm) throws {
    try require(
      form.height >= 2 && form.width >= 2, "image size", "\(form.width) x \(form.height)",
      "at least 2 x 2 for a warp")
    let unit = try points / points.abs().mean()
    let field = try unit.interpolate(
      height: form.height, width: form.width, mode: .bicubic, alignCorners: true
    ).permute([0, 2, 3, 1])
    let identity = try Self.identity(form)
    let warped = try (identity + field * strength / Self.sides(form)) * rescale
    grid = try warped.clamp(min: -1, max: 1)
    self.form = form
  }

  /// The warped images: bilinear, zeros outside, corners aligned, rounded to 8 bits as BackdoorBox
  /// does (the original code warps floating-point images and never rounds).
  public func apply(to images: Tensor) throws -> Tensor { try sample(images, grid) }

  /// The noise mode: G' = clamp(G + U(−1, 1) / H, −1, 1), drawn afresh for every image.
  /// - Parameters:
  ///   - images: `[B, C, H, W]`, uint8.
  ///   - keys: one key an image.
  /// - Returns: a new tensor of the same shape, uint8.
  /// - Throws: `TensorError`.
  func applyWithNoise(to images: Tensor, keys: [RandomKey]) throws -> Tensor {
    let noise = try Tensor.stack(
      keys.map { try $0.uniform([form.height, form.width, 2], from: -1, to: 1) })
    return try sample(images, (grid + noise / Self.sides(form)).clamp(min: -1, max: 1))
  }

  /// How far every pixel is read from its own place, in pixels.
  /// - Returns: `[H, W, 2]`, float32, (right, down).
  public func displacements() throws -> Tensor {
    let halves = try Tensor(
      [Float(form.width - 1) / 2, Float(form.height - 1) / 2], shape: [1, 1, 1, 2])
    return try ((grid - Self.identity(form)) * halves).squeeze(0)
  }

  private func sample(_ images: Tensor, _ grid: Tensor) throws -> Tensor {
    let batch = images.shape[0]
    let places = try grid.expand([batch, form.height, form.width, 2])
    let warped = try (images.to(.float32) / 255.0)
      .gridSample(places, mode: .bilinear, padding: .zeros, alignCorners: true)
    return try (warped * 255.0).clamp(min: 0, max: 255).round().to(.uint8)
  }

  /// W and H, [1, 1, 1, 2].
  private static func sides(_ form: ImageForm) throws -> Tensor {
    try Tensor([Float(form.width), Float(form.height)], shape: [1, 1, 1, 2])
  }

  /// [1, H, W, 2]: the column and the row of every pixel, in −1...1.
  private static func identity(_ form: ImageForm) throws -> Tensor {
    func line(_ count: Int) -> [Float] {
      (0..<count).map { Float(-1 + 2 * Double($0) / Double(count - 1)) }
    }
    let columns = try Tensor(line(form.width), shape: [1, 1, form.width, 1])
    let rows = try Tensor(line(form.height), shape: [1, form.height, 1, 1])
    let shape = [1, form.height, form.width, 1]
    return try Tensor.cat([columns.expand(shape), rows.expand(shape)], dim: 3)
  }
}
