/// One step of a pipeline as a value that recipes can hold.
public enum AugmentationStep: Sendable, Hashable, Codable {
  /// Pad, then crop.
  case padCrop(PadCrop)
  /// Mirror left to right.
  case horizontalFlip(HorizontalFlip)
  /// Cut out and scale.
  case randomResizedCrop(RandomResizedCrop)
  /// Brightness, contrast, saturation, hue.
  case colorJitter(ColorJitter)
  /// Color to gray.
  case grayscale(Grayscale)
  /// Gaussian blur.
  case gaussianBlur(GaussianBlur)
  /// Subtract the mean, divide by the deviation.
  case normalize(Normalize)

  /// What the step does.
  public var augmentation: any Augmentation {
    switch self {
    case .padCrop(let step): return step
    case .horizontalFlip(let step): return step
    case .randomResizedCrop(let step): return step
    case .colorJitter(let step): return step
    case .grayscale(let step): return step
    case .gaussianBlur(let step): return step
    case .normalize(let step): return step
    }
  }
}
