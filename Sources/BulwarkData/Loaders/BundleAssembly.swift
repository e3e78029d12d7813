import BulwarkTensor

/// The steps that loaders of array data share: limits, splits and the forms asked for.
enum BundleAssembly {
  /// Train and test from a set without a stored split.
  static func split(
    _ all: ImageDataset, kind: DataKind, path: String, options: DataOptions,
    defaultFraction: Double,
    warnings: [String] = []
  ) throws -> DataBundle {
    let halves = SampleSelection.split(
      labels: all.labels, classCount: all.classCount,
      testFraction: options.testFraction ?? defaultFraction)
    guard !halves.train.isEmpty else {
      throw DataError.noImages(path: path, looked: "the split leaves no training image")
    }
    return try bundle(
      train: all.subset(halves.train), test: halves.test.isEmpty ? nil : all.subset(halves.test),
      kind: kind, path: path, options: options, warnings: warnings)
  }

  /// Applies the limits, then brings the images to the size and channels asked for.
  ///
  /// `indexSets` must already fit the limited training set.
  static func bundle(
    train: ImageDataset, test: ImageDataset?, kind: DataKind, path: String, options: DataOptions,
    warnings: [String] = [], indexSets: [String: [Int]] = [:]
  ) throws -> DataBundle {
    try DataBundle(
      train: shaped(limited(train, options.limit), options),
      test: test.map { try shaped(limited($0, options.testLimit), options) }, kind: kind,
      path: path, warnings: warnings, indexSets: indexSets)
  }

  private static func limited(_ dataset: ImageDataset, _ limit: Int?) throws -> ImageDataset {
    guard let limit, limit < dataset.count else { return dataset }
    return try dataset.subset(
      SampleSelection.balanced(
        labels: dataset.labels, classCount: dataset.classCount, limit: limit))
  }

  private static func shaped(
    _ dataset: ImageDataset, _ options: DataOptions
  ) throws -> ImageDataset {
    let channels = options.channels ?? dataset.channels
    let height = options.imageSize ?? dataset.height
    let width = options.imageSize ?? dataset.width
    if channels == dataset.channels && height == dataset.height && width == dataset.width {
      return dataset
    }
    let stored = channels * height * width
    let images = try Tensor.filled(
      [dataset.count, channels, height, width], dtype: .uint8
    ) { target in
      for index in 0..<dataset.count {
        var image = try dataset.raster(index).converted(channels: channels)
        if let side = options.imageSize { image = ImageResizer.centerSquare(image, side: side) }
        image.copyPlanar(
          to: UnsafeMutableRawBufferPointer(rebasing: target[index * stored..<(index + 1) * stored])
        )
      }
    }
    return try dataset.replacingImages(images)
  }
}
