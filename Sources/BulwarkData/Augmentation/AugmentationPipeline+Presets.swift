extension AugmentationPipeline {
  /// SimCLR's augmentation as the official DBD code sets it up for one view.
  ///
  /// Random resized crop (area 0.2...1, bicubic), flip (1/2), color jitter (0.4, 0.4, 0.4, 0.1; 4/5),
  /// gray (1/5), Gaussian blur (sigma 0.1...2; 1/2), normalization.
  /// Source: SCLBD/DBD, `config/defense/simclr/*/cifar10_resnet18/example.yaml`.
  /// - Parameters:
  ///   - size: rows and columns of the views.
  ///   - normalize: mean and deviation; nil leaves values in 0...1.
  /// - Returns: the pipeline of one view.
  public static func simclr(size: Int, normalize: Normalize? = .cifar10) -> AugmentationPipeline {
    AugmentationPipeline(
      [
        .randomResizedCrop(RandomResizedCrop(height: size, width: size)),
        .horizontalFlip(HorizontalFlip()), .colorJitter(ColorJitter()), .grayscale(Grayscale()),
        .gaussianBlur(GaussianBlur()),
      ] + (normalize.map { [.normalize($0)] } ?? []))
  }

  /// DBD's augmentation for everything after self-supervision: crop after reflecting 1/8 of the
  /// size at every side (4 pixels for CIFAR), flip (1/2), normalization.
  /// Source: SCLBD/DBD, MixMatch configuration for CIFAR-10.
  /// - Parameters:
  ///   - size: rows and columns of the images.
  ///   - flips: whether images are mirrored; off for digits and text.
  ///   - normalize: mean and deviation; nil leaves values in 0...1.
  /// - Returns: the pipeline.
  public static func weak(
    size: Int, flips: Bool = true, normalize: Normalize? = .cifar10
  ) -> AugmentationPipeline {
    AugmentationPipeline(
      [.padCrop(PadCrop(padding: max(1, size / 8), mode: .reflect))]
        + (flips ? [.horizontalFlip(HorizontalFlip())] : [])
        + (normalize.map { [.normalize($0)] } ?? []))
  }

  /// No augmentation: values in 0...1, normalized.
  public static func plain(normalize: Normalize? = .cifar10) -> AugmentationPipeline {
    AugmentationPipeline(normalize.map { [.normalize($0)] } ?? [])
  }
}
