import BulwarkData

extension CarrierSet {
  /// A trigger set that was made elsewhere: images with the labels that its owner claims for them.
  ///
  /// Nothing is known about how the labels came to be, so hits are not taken to be independent.
  public init(_ dataset: ImageDataset) {
    self.init(
      images: dataset.images, labels: dataset.labels,
      groups: [Int](repeating: 0, count: dataset.count), rule: .shared)
  }
}
