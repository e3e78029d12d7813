import BulwarkStore
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
    warnings: [String] = [], indexSets: [String: [Int]] = [:], provenance: JSONValue = .null
  ) throws -> DataBundle {
    try DataBundle(
      train: shaped(limited(train, options.limit), options, path),
      test: test.map { try shaped(limited($0, options.testLimit), options, path) }, kind: kind,
      path: path, warnings: warnings, indexSets: indexSets, provenance: provenance)
  }

  /// Refuses labels outside `0..<classCount`, or with `skipBad` counts them in a warning.
  /// - Parameters:
  ///   - labels: the labels of one file.
  ///   - path: the file.
  ///   - classCount: number of classes.
  ///   - skipBad: whether bad samples are left out.
  ///   - warnings: what is told to the user.
  /// - Throws: `DataError.labelOutOfRange` for the first bad label.
  static func checkLabels(
    _ labels: ArraySlice<Int>, of path: String, classCount: Int, skipBad: Bool,
    _ warnings: inout [String]
  ) throws {
    let bad = labels.indices.filter { !(0..<classCount).contains(labels[$0]) }
    guard let first = bad.first else { return }
    guard skipBad else {
      throw DataError.labelOutOfRange(
        path: path, index: first - labels.startIndex, label: labels[first], classCount: classCount)
    }
    warnings.append(
      "\(bad.count) sample(s) of '\(path)' were left out: labels outside 0...\(classCount - 1)")
  }

  /// A data set of the samples whose labels are in range.
  static func dataset(
    images: Tensor, labels: [Int], classNames: [String], name: String
  ) throws -> ImageDataset {
    let good = labels.indices.filter { classNames.indices.contains(labels[$0]) }
    guard good.count < labels.count else {
      return try ImageDataset(images: images, labels: labels, classNames: classNames, name: name)
    }
    guard !good.isEmpty else {
      throw DataError.noImages(path: name, looked: "every label is out of range")
    }
    return try ImageDataset(
      images: images.indexSelect(0, Tensor(good)), labels: good.map { labels[$0] },
      classNames: classNames, name: name)
  }

  private static func limited(_ dataset: ImageDataset, _ limit: Int?) throws -> ImageDataset {
    guard let limit, limit < dataset.count else { return dataset }
    return try dataset.subset(
      SampleSelection.balanced(
        labels: dataset.labels, classCount: dataset.classCount, limit: limit))
  }

  private static func shaped(
    _ dataset: ImageDataset, _ options: DataOptions, _ path: String
  ) throws -> ImageDataset {
    let channels = options.channels ?? dataset.channels
    let height = options.imageSize ?? dataset.height
    let width = options.imageSize ?? dataset.width
    if channels == dataset.channels && height == dataset.height && width == dataset.width {
      return dataset
    }
    let stored = channels * height * width
    try ImageFileReader.requireMemory(dataset.count * stored, path)
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
