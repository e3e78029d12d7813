import BulwarkData
import BulwarkTensor

extension Normalize {
  /// Stored pixels, [N, C, H, W] uint8, as a model wants them: float32, normalized, on `device`.
  public func prepare(_ pixels: Tensor, on device: Device) throws -> Tensor {
    try AugmentationPipeline.plain(normalize: self).apply(
      pixels.to(device), key: RandomKey(seed: 0))
  }
}
